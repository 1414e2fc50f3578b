"""A lock file that says who holds it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from types import TracebackType
from typing import Self

from lamina.errdefs import LockHeld, from_os_error
from lamina.fs._secure_files import open_secure_file
from lamina.fs._write_errors import FULL_OR_READ_ONLY

_log = logging.getLogger(__name__)


class Lock:
    """Keeps other processes, and other holders in this one, away until it is closed or the process ends.

    It is an flock(2) on a file that holds the pid of the last holder. The file stays: removing it could take
    it away from under the next holder.
    """

    def __init__(self, fd: int) -> None:
        """See `acquire`."""
        self._fd = fd

    @classmethod
    def acquire(cls, path: str, *, dir_fd: int | None = None) -> Lock:
        """Take the lock, or fail at once.

        Args:
            path: The lock file. It is made if need be, with mode 0600. On a file system that is full or read-only
                one that is there will do, and may keep the pid of an earlier holder.
            dir_fd: The directory that it is in, where that is open: the last name of `path` is looked up there.

        Raises:
            LockHeld: Somebody has it; the message names the pid.
            FailedPrecondition: What is there is no regular file with this name alone, or another user's.
            NotFound: The file's directory does not exist.
            PermissionDenied: The file cannot be opened or made.
        """
        try:
            fd = _open(path, dir_fd)
        except OSError as error:
            raise from_os_error(error, "open a lock file") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_pid(fd)
        except BlockingIOError:
            holder = _holder(fd)
            os.close(fd)
            raise LockHeld(f"{path} is locked by {holder}, or use another directory") from None
        except OSError as error:
            os.close(fd)
            raise from_os_error(error, f"lock {path}") from error
        return cls(fd)

    def close(self) -> None:
        """Let go of the lock. Calling it again does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _open(path: str, dir_fd: int | None) -> int:
    try:
        return open_secure_file(path, os.O_RDWR | os.O_CREAT, 0o600, dir_fd=dir_fd)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
    return open_secure_file(path, os.O_RDONLY, dir_fd=dir_fd)


def _write_pid(fd: int) -> None:
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        return
    line = b"%d\n" % os.getpid()
    try:
        # Never empty in between: so a full disk cannot keep the next holder from writing where the last one did.
        os.pwrite(fd, line, 0)
        os.ftruncate(fd, len(line))
    except OSError as error:
        if error.errno not in FULL_OR_READ_ONLY:
            raise
        _log.warning("cannot write down who holds a lock", exc_info=error)


def _holder(fd: int) -> str:
    """Who has the lock of an open file, and what to do about it."""
    pid = os.pread(fd, 32, 0).partition(b"\n")[0]
    # The pid may be an earlier holder's: the disk was full, or the holder is in another pid namespace.
    known = pid.isdigit() and os.path.exists(f"/proc/{int(pid)}")
    process = f"process {int(pid)}" if known else "another process"
    if _open_elsewhere_here(fd):  # the pid would not tell: in another pid namespace it may be somebody else's
        return f"{process}, which is this one; close what has it"
    return f"{process}; stop that process"


def _open_elsewhere_here(fd: int) -> bool:
    """Whether this process has the file of a descriptor open through another one."""
    for other in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the descriptor of the listing itself, and what others close meanwhile
            if other != fd and os.path.samestat(os.fstat(other), os.fstat(fd)):
                return True
    return False
