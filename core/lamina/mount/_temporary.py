"""Mounts that last as long as a `with` block."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from lamina.errdefs import from_os_error
from lamina.mount import _readonly, _syscalls
from lamina.mount._mount_point import make_mount_point
from lamina.mount._mounting import mount_all
from lamina.mount._options import MountFlag
from lamina.mount._record import Mount
from lamina.mount._unmounting import unmount_recursive


@contextlib.contextmanager
def temporary_mount(
    mounts: Sequence[Mount], *, read_only: bool = False, directory: str | os.PathLike[str] | None = None
) -> Iterator[str]:
    """Mount on a directory of its own, which the `with` block gets, and take everything off again.

    What is mounted there is private: it does not propagate, and taking it off takes off nothing else. The
    option `volatile` is left out. The directory is removed only when it is empty, never what is in it: a
    failed unmount can delete no data.

    Args:
        mounts: What a snapshotter returned. None at all give an empty directory.
        read_only: Mount them so that nothing can be written (see the function `read_only`).
        directory: Where the mount point is made. By default `$XDG_RUNTIME_DIR` if set, else the system's
            directory for temporary files.

    Raises:
        MountFailed: As `mount_all`, and its other errors too. Nothing stays mounted.
        FailedPrecondition: When the block has ended, something still uses the mount, which stays; or there were no
            mounts and the directory is not empty.
        NotFound: There is no such `directory`. (PermissionDenied, ResourceExhausted: none can be made there.)
    """
    mounts = _readonly.without_volatile(_readonly.read_only(mounts) if read_only else mounts)
    with _explained("make a mount point"):
        path = make_mount_point(directory)
    try:
        mount_all(mounts, path)
        if mounts:
            _make_private(path)
        yield path
    finally:
        unmount_recursive(path)
        with _explained("remove a mount point"):
            os.rmdir(path)


def _make_private(path: str) -> None:
    # A recursive bind mount is otherwise a peer of its source, and what is taken off below it here would be
    # taken off there too (mount_namespaces(7)).
    with _explained(f"make the mounts at {path} private"):
        _syscalls.mount("", path, "", MountFlag.REC | MountFlag.PRIVATE)


@contextlib.contextmanager
def _explained(asked: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, asked) from error
