"""Temporary directories in a data root, in which probes find out whether a snapshotter works."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import Error
from lamina.fs import exposure_of, make_temporary_directory, remove_tree
from lamina.mount import unmount_recursive

_log = logging.getLogger(__name__)

_PREFIX: Final = "probe-"
_NAME: Final = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
"""Matches the names of probe directories, including those of earlier releases (`tempfile.mkdtemp`)."""


@contextlib.contextmanager
def probe_directory(parent: str) -> Iterator[str]:
    """Create a directory `probe-…`, and remove it with its content at the end of the block.

    The directory is locked (flock(2)) during the block, so that `remove_stale_probes` spares it.

    Args:
        parent: The parent directory. The block must unmount everything that it mounts in the new directory.

    Raises:
        OSError: The directory cannot be created.
        Error: The directory cannot be removed.
    """
    path, lock = _create(parent)
    try:
        yield path
    finally:
        try:
            remove_tree(path)
        finally:
            os.close(lock)


def refusal(parent: str) -> str:
    """Return why no directory can be created in another, or "" if one can."""
    try:
        with probe_directory(parent):
            return ""
    except OSError as error:
        return str(error.strerror)


def remove_stale_probes(root: str) -> None:
    """Unmount and remove the directories of killed probes. Failures are logged.

    Args:
        root: The data root. Nothing is removed if another user could have created the directories.
    """
    if exposure_of(root) is not None:
        return
    with os.scandir(root) as entries:
        paths = [
            entry.path for entry in entries if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
    for path in paths:
        try:
            _remove_stale(path)
        except (Error, OSError) as error:
            _log.warning(
                "cannot remove the directory of an interrupted probe", exc_info=error, extra={"path": path}
            )


def _create(parent: str) -> tuple[str, int]:
    """Create and lock a directory; return its path and the descriptor that holds the lock."""
    while True:
        path = make_temporary_directory(parent, _PREFIX)
        with contextlib.suppress(FileNotFoundError):  # removed as stale before it was locked
            lock = _try_lock(path)
            if lock is not None:
                return path, lock


def _try_lock(path: str) -> int | None:
    """Lock a directory; return None if another process has locked or removed it."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False)):
            return fd
    except BlockingIOError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _remove_stale(path: str) -> None:
    try:
        lock = _try_lock(path)
    except FileNotFoundError:  # its process removed it meanwhile
        return
    if lock is None:
        return
    try:
        unmount_recursive(path, lazy=True)
        remove_tree(path)
        _log.info("removed the directory of an interrupted probe", extra={"path": path})
    finally:
        os.close(lock)
