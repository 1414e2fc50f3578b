"""A lock file that records the pid of its holder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import time
from typing import Final, Self

from lamina.errdefs import LockHeld, from_os_error, translated
from lamina.fs._safe_open import open_secure_file
from lamina.fs._write_errors import FULL_OR_READ_ONLY

_log = logging.getLogger(__name__)

_SECONDS: Final = 5.0
"""Seconds to wait for a lock whose holder has ended. A child that it was starting when it was killed has the lock
until the kernel executes the child's program."""
_POLL_SECONDS: Final = 0.01


class Lock:
    """An exclusive lock against other processes and other holders in this one.

    It is an flock(2) on a file that contains the pid of the last holder, and ends with `close` or the process. The
    file is never removed, because another process may already have opened it to lock it.
    """

    def __init__(self, fd: int) -> None:
        """Use `acquire` instead."""
        self._fd = fd

    @classmethod
    def acquire(cls, path: str, *, dir_fd: int | None = None) -> Lock:
        """Take the lock, or fail: immediately if the process that the file names runs, else after five seconds.

        A holder in another pid namespace counts as ended if its pid is not one of this namespace.

        Args:
            path: The lock file. A missing one is created with mode 0600. On a file system that is full or
                read-only, an existing one may keep the pid of an earlier holder.
            dir_fd: The descriptor of the directory of the file. If given, only the last component of `path` is
                used.

        Raises:
            LockHeld: The lock is taken. The message names the pid of the holder.
            FailedPrecondition: The file is not secure (`check_secure_file`).
            NotFound: The directory of the file does not exist.
            PermissionDenied: The file cannot be opened or created.
        """
        with translated("open a lock file"):
            fd = _open(path, dir_fd)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, fd)
            try:
                _lock(fd)
                _write_pid(fd)
            except BlockingIOError:
                raise LockHeld(f"{path} is locked by {_holder(fd)}, or use another directory") from None
            except OSError as error:
                raise from_os_error(error, f"lock {path}") from error
            undo.pop_all()
        return cls(fd)

    def close(self) -> None:
        """Release the lock. Closing twice does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(path: str, dir_fd: int | None) -> int:
    try:
        return open_secure_file(path, os.O_RDWR | os.O_CREAT, 0o600, dir_fd=dir_fd)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
    return open_secure_file(path, os.O_RDONLY, dir_fd=dir_fd)


def _lock(fd: int) -> None:
    """Take the lock, or raise BlockingIOError."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _holder_pid(fd)
            if pid is None or _runs(pid) or time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)  # a blocking flock(2) has no time limit, and no event tells of a release
        else:
            return


def _write_pid(fd: int) -> None:
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        return
    line = b"%d\n" % os.getpid()
    try:
        # Overwrite, then truncate: the file keeps its block, so the pid can be written on a full disk.
        os.pwrite(fd, line, 0)
        os.ftruncate(fd, len(line))
    except OSError as error:
        if error.errno not in FULL_OR_READ_ONLY:
            raise
        _log.warning("cannot record the holder of a lock", exc_info=error)


def _holder(fd: int) -> str:
    """Describe the holder of a lock file, with the remedy."""
    pid = _holder_pid(fd)
    # The pid may be stale if the disk was full, or belong to another pid namespace.
    process = "another process" if pid is None or not _runs(pid) else f"process {pid}"
    if _is_open_twice(fd):  # more reliable than comparing pids, which differ between pid namespaces
        return f"{process}, which is this one; close the other holder"
    return f"{process}; stop that process"


def _holder_pid(fd: int) -> int | None:
    """Return the pid in a lock file, or None if it has none."""
    pid = os.pread(fd, 32, 0).partition(b"\n")[0]
    return int(pid) if pid.isdigit() else None


def _runs(pid: int) -> bool:
    """Return whether a process runs. One that has ended stays as a zombie until its parent has waited for it."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state = file.read().rpartition(b") ")[2][:1]  # proc_pid_stat(5)
    except OSError:  # there is no such process, or it may not be inspected
        return os.path.exists(f"/proc/{pid}")
    return state not in {b"Z", b"X"}


def _is_open_twice(fd: int) -> bool:
    """Return whether this process has another descriptor of the same file."""
    for other in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the descriptor of listdir, and those that other threads close
            if other != fd and os.path.samestat(os.fstat(other), os.fstat(fd)):
                return True
    return False
