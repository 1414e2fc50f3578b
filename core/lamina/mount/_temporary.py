"""Mounts for the duration of a `with` block."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from lamina.errdefs import translated
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
    """Mount on a temporary directory, which the `with` block receives, and unmount everything afterwards.

    The mounts are private: they do not propagate, and unmounting them unmounts nothing else. The option `volatile`
    is left out. The directory is only removed if it is empty, so a failed unmount cannot delete data.

    Args:
        mounts: The mounts that a snapshotter returned. None give an empty directory.
        read_only: Mount them read-only (see the function `read_only`).
        directory: The parent of the mount point. By default `$XDG_RUNTIME_DIR` if set, else the system's directory
            for temporary files.

    Raises:
        MountFailed: See `mount_all`, also for other errors. Nothing stays mounted.
        FailedPrecondition: The mount is still in use after the block, and stays; or there were no mounts and the
            directory is not empty.
        NotFound: `directory` does not exist. (PermissionDenied, ResourceExhausted: nothing can be created there.)
    """
    mounts = _readonly.without_volatile(_readonly.read_only(mounts) if read_only else mounts)
    with translated("make a mount point"):
        path = make_mount_point(directory)
    try:
        mount_all(mounts, path)
        if mounts:
            _make_private(path)
        yield path
    finally:
        unmount_recursive(path)
        with translated("remove a mount point"):
            os.rmdir(path)


def _make_private(path: str) -> None:
    # A recursive bind mount is otherwise a peer of its source, and unmounting below it here would unmount there
    # too (mount_namespaces(7)).
    with translated(f"make the mounts at {path} private"):
        _syscalls.mount("", path, "", MountFlag.REC | MountFlag.PRIVATE)
