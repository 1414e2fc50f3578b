"""Directories beside the data of a snapshotter, in which is tried what it needs."""

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
"""Matches the names of such directories, and of those that earlier releases made (`tempfile.mkdtemp`)."""


@contextlib.contextmanager
def trial_directory(place: str) -> Iterator[str]:
    """Make a directory `probe-…`, and remove it, with what is in it, at the end of the block.

    It is locked (flock(2)) as long as the block lasts: so `remove_left_trials` knows it from one whose process was
    killed.

    Args:
        place: Where. Nothing may stay mounted in it.

    Raises:
        OSError: It cannot be made.
        Error: It cannot be removed.
    """
    path, lock = _make(place)
    try:
        yield path
    finally:
        try:
            remove_tree(path)
        finally:
            os.close(lock)


def remove_left_trials(root: str) -> None:
    """Unmount and remove what trials have left that were killed. What cannot be removed is logged.

    Args:
        root: The data root: where all that is named like a trial's directory is one. Where another user could have
            put it there, nothing is removed.
    """
    if exposure_of(root) is not None:
        return
    with os.scandir(root) as entries:
        paths = [
            entry.path for entry in entries if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
    for path in paths:
        try:
            _remove_left(path)
        except (Error, OSError) as error:
            _log.warning("what an interrupted probe left is still there", exc_info=error, extra={"path": path})


def _make(place: str) -> tuple[str, int]:
    """Make a directory and lock it; returns it and what holds the lock."""
    while True:
        path = make_temporary_directory(place, _PREFIX)
        with contextlib.suppress(FileNotFoundError):  # taken for a left one before it was locked
            lock = _locked(path)
            if lock is not None:
                return path, lock


def _locked(path: str) -> int | None:
    """Lock a directory; None where another process has locked it, or removed it meanwhile."""
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


def _remove_left(path: str) -> None:
    try:
        lock = _locked(path)
    except FileNotFoundError:  # its process has just removed it
        return
    if lock is None:
        return
    try:
        unmount_recursive(path, lazy=True)
        remove_tree(path)
        _log.info("removed what an interrupted probe had left", extra={"path": path})
    finally:
        os.close(lock)
