"""Unmount mount points and trees."""

from __future__ import annotations

import errno
import os
import time

from lamina.errdefs import Error, FailedPrecondition, NotFound, from_os_error
from lamina.mount import _syscalls
from lamina.mount._mountinfo import mount_points

_MNT_DETACH = 2  # umount2(2)
_BUSY_SECONDS = 2.5
_RETRY_SECONDS = 0.05


def unmount(target: str | os.PathLike[str], *, lazy: bool = False) -> bool:
    """Unmount the topmost mount at a path. A path without a mount counts as unmounted.

    Args:
        target: The mount point. A symbolic link there is not followed: its creator would choose what is unmounted.
        lazy: Detach it now, and let the kernel clean up once it is unused.

    Returns:
        Whether there was a mount.

    Raises:
        FailedPrecondition: It is still in use after 2.5 seconds of retries, or is a symbolic link.
        NotFound: The path does not exist.
        PermissionDenied: The process lacks CAP_SYS_ADMIN.
    """
    return _unmount_top(os.fspath(target), lazy=lazy)


def unmount_all(target: str | os.PathLike[str], *, lazy: bool = False) -> None:
    """Unmount all mounts stacked at a path. "" and a nonexistent path have none.

    Args:
        target: See `unmount`.
        lazy: See `unmount`.

    Raises:
        FailedPrecondition: One is still in use after 2.5 seconds of retries, or the target is a symbolic link.
        PermissionDenied: The process lacks CAP_SYS_ADMIN.
    """
    path = os.fspath(target)
    if not path:
        return
    try:
        while _unmount_top(path, lazy=lazy):
            pass
    except NotFound:
        return


def unmount_recursive(target: str | os.PathLike[str], *, lazy: bool = False) -> None:
    """Unmount all mounts at and below a path, deepest first. A nonexistent path has none.

    All are tried. If the mounts are shared with another tree (mount_namespaces(7)), as those below a recursive
    bind mount usually are, they disappear from there too.

    Args:
        target: The root of the tree. Symbolic links on the way are followed, one at its end is not.
        lazy: See `unmount`.

    Raises:
        FailedPrecondition: See `unmount_all`: the first failure, with the others as its notes.
        PermissionDenied: The process lacks CAP_SYS_ADMIN.
    """
    _check_no_link(os.fspath(target))
    root = os.path.realpath(target)
    below = root.rstrip("/") + "/"
    points = [point for point in mount_points() if f"{point}/".startswith(below)]
    failures: list[Error] = []
    for point in sorted(points, key=len, reverse=True):
        try:
            unmount_all(point, lazy=lazy)
        except Error as error:
            failures.append(error)
    raise_first(failures)


def raise_first(failures: list[Error]) -> None:
    """Raise the first failure, if there is any, with the others as its notes."""
    if failures:
        for failure in failures[1:]:
            failures[0].add_note(str(failure))
        raise failures[0]


def _unmount_top(target: str, *, lazy: bool = False) -> bool:
    """Unmount once; return whether there was a mount."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            _syscalls.umount2(target, _MNT_DETACH if lazy else 0)
        except OSError as error:
            if error.errno == errno.EINVAL:
                _check_no_link(target)
                return False
            if error.errno != errno.EBUSY or time.monotonic() >= deadline:
                raise _explained(target, error) from error
        else:
            return True
        time.sleep(_RETRY_SECONDS)  # no event tells when a mount is no longer in use


def _check_no_link(target: str) -> None:
    if os.path.islink(target.rstrip("/")):
        raise FailedPrecondition(
            f"unmount {target}: it is a symbolic link, which is not followed; unmount {os.path.realpath(target)}"
        )


def _explained(target: str, error: OSError) -> Error:
    if error.errno == errno.EBUSY:
        return FailedPrecondition(
            f"unmount {target}: {error.strerror} (who uses it: fuser --verbose --mount {target})"
        )
    return from_os_error(error, f"unmount {target}")
