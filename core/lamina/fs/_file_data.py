"""Copy the data of regular files."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import attrs

from lamina.context import current
from lamina.errdefs import InvalidArgument, translated

FICLONE: Final = 0x40049409
"""linux/fs.h: share the blocks of another file. On architectures that number it differently the call fails."""
_FICLONERANGE: Final = 0x4020940D
"""linux/fs.h: the same for a range."""
CHUNK: Final = 16 << 20
"""Bytes that one copy_file_range(2) copies: large enough to amortise the call, small enough to cancel promptly."""
BUFFER: Final = 1 << 20
"""Bytes read and written at a time where copy_file_range(2) does not work."""
SMALL: Final = 16 << 10
"""Size in bytes up to which one read and one write are the fastest copy of a file without holes."""
_BLOCK: Final = 512
"""The unit of `st_blocks` (inode(7))."""
_UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.ENOSYS, errno.ENOTTY})
"""Errors that mean a copy method does not work between these two file systems."""
_UNSUITABLE: Final = frozenset({errno.EINVAL, errno.ETXTBSY, errno.EPERM})
"""Errors that mean it does not work for these two files (swap files, btrfs files of which only one has checksums),
or that a seccomp filter forbids it (EPERM)."""


def copy_file(source: str, target: str) -> None:
    """Copy the data of a regular file to a new file with mode 0600.

    Holes are preserved. On file systems with reflinks (FICLONE) the copy shares the blocks of the source and is
    almost free. Owner, times and extended attributes are not copied; `copy_tree` copies those too.

    Args:
        source: The file. A symbolic link is followed.
        target: The new file.

    Raises:
        AlreadyExists: The target exists.
        NotFound: The source or the parent directory of the target does not exist.
        InvalidArgument: The source is not a regular file.
        PermissionDenied: The source cannot be read or the target cannot be created.
        ResourceExhausted: The target's file system is full.
        Canceled: The call was cancelled. A partial copy is left behind, as after any other error.
        DeadlineExceeded: The call's deadline has passed.
    """
    operation = f"copy {source} to {target}"
    with translated(operation), ExitStack() as stack:
        source_fd = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        stack.callback(os.close, source_fd)
        status = os.fstat(source_fd)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArgument(f"{operation}: the source is not a regular file")
        target_fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, target_fd)
        DataCopier(current().check).copy(source_fd, target_fd, status)


def clone_range(source: int, offset: int, size: int, target: int) -> bool:
    """Make an empty file share a range of another file's blocks, if the file system can do that.

    Args:
        source: The descriptor of the file that has the data.
        offset: The beginning of the range, a multiple of the file system's block size.
        size: Its size in bytes: a multiple of the block size, or up to the end of the file.
        target: The descriptor of the empty file.

    Returns:
        Whether it does. If not, nothing has changed.

    Raises:
        OSError: The disk failed or is full.
    """
    try:
        fcntl.ioctl(target, _FICLONERANGE, struct.pack("qQQQ", source, offset, size, 0))
    except OSError as error:
        if error.errno not in _UNSUPPORTED | _UNSUITABLE:
            raise
        return False
    return True


@attrs.define(eq=False, repr=False)
class DataCopier:
    """Copies file data between two file systems with the best method that works for both.

    Sharing blocks comes first, then copying in the kernel, then reading and writing.
    """

    check: Callable[[], None]
    """Raises an error if the call was cancelled."""
    shares_blocks: bool = True
    """True if FICLONE may work."""
    copies_in_kernel: bool = True
    """True if copy_file_range(2) may work."""

    def copy(self, source: int, target: int, status: os.stat_result) -> None:
        """Copy the data of a file into an empty one, preserving holes.

        Args:
            source: The descriptor of the file to read.
            target: The descriptor of the empty file.
            status: The status of the source. Data appended later is not copied.

        Raises:
            OSError: A read or write failed.
        """
        size = status.st_size
        if size == 0 or (self.shares_blocks and self._share(source, target)):
            return
        if size <= SMALL and status.st_blocks * _BLOCK >= size:
            self._copy_range(source, target, os.write(target, os.read(source, size)), size)
            return
        end = 0
        for start, end in _data_ranges(source, size):
            self._copy_range(source, target, start, end)
        if end < size:  # a hole up to the end
            os.ftruncate(target, size)

    def _share(self, source: int, target: int) -> bool:
        try:
            fcntl.ioctl(target, FICLONE, source)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                self.shares_blocks = False
            elif error.errno not in _UNSUITABLE:
                raise
            return False
        return True

    def _copy_range(self, source: int, target: int, start: int, end: int) -> None:
        """Copy a range of bytes to the same offset, up to the end of a source that was truncated meanwhile."""
        while start < end:
            copied = self._copy_in_kernel(source, target, start, min(end - start, CHUNK))
            # 0 if the kernel cannot copy, at the end of the file, and for generated files as in proc(5).
            copied = copied or _read_and_write(source, target, start, min(end - start, BUFFER))
            if not copied:
                return
            start += copied
            if start < end:
                self.check()

    def _copy_in_kernel(self, source: int, target: int, start: int, count: int) -> int:
        if not self.copies_in_kernel:
            return 0
        try:
            return os.copy_file_range(source, target, count, start, start)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                self.copies_in_kernel = False
            elif error.errno not in _UNSUITABLE:
                raise
            return 0


def _read_and_write(source: int, target: int, start: int, count: int) -> int:
    data = os.pread(source, count, start)
    return os.pwrite(target, data, start) if data else 0


def _data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each range of a file that is not a hole (lseek(2), SEEK_DATA)."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return
            if error.errno != errno.EINVAL:  # the file system does not report holes
                raise
            start = end
            end = size
        else:
            end = min(size, os.lseek(fd, start, os.SEEK_HOLE))
        yield start, end
