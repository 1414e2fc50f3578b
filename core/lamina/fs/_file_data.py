"""Copying what is in a regular file."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import attrs

from lamina.context import current
from lamina.errdefs import InvalidArgument, from_os_error

FICLONE: Final = 0x40049409
"""linux/fs.h: let a file share the blocks of another. Some architectures number it differently: there it fails."""
CHUNK: Final = 16 << 20
"""Bytes that the kernel copies in one call: large enough to cost nothing, small enough to be cancelled soon."""
BUFFER: Final = 1 << 20
"""Bytes that are read and written in one go where the kernel does not copy by itself."""
SMALL: Final = 16 << 10
"""Up to how many bytes a file without holes is quicker to read and write than to ask anything about."""
_BLOCK: Final = 512
"""The unit of `st_blocks` (inode(7))."""
_NEVER: Final = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.ENOSYS, errno.ENOTTY})
"""What says that a way of copying does not exist between two file systems."""
_NOT_THIS: Final = frozenset({errno.EINVAL, errno.ETXTBSY, errno.EPERM})
"""What says that it does not work for these two files (swap files, btrfs files with and without checksums), or
that the process is kept from it: some seccomp filters say EPERM."""


def copy_file(source: str, target: str) -> None:
    """Copy what is in a regular file to a new one, which only its owner can read and write.

    Holes stay holes. Where the file system can (FICLONE), the copy shares its blocks with the source, and costs
    next to nothing. Owner, times and attributes are not copied; `copy_tree` copies those of all that it meets.

    Args:
        source: A file. A link is followed.
        target: Where the copy will be. Nothing may be there yet.

    Raises:
        AlreadyExists: There is something at the target.
        NotFound: The source, or the directory that the target is to be in, does not exist.
        InvalidArgument: The source is no regular file.
        PermissionDenied: The source may not be read, or the target not be made.
        ResourceExhausted: The target's file system is full.
        Canceled: The call is no longer wanted. Part of the copy is there, as after any other error.
        DeadlineExceeded: The call's deadline has passed.
    """
    asked = f"copy {source} to {target}"
    try:
        with ExitStack() as opened:
            above = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            opened.callback(os.close, above)
            status = os.fstat(above)
            if not stat.S_ISREG(status.st_mode):
                raise InvalidArgument(f"{asked}: the source is no regular file")
            below = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            opened.callback(os.close, below)
            DataCopier(current().check).copy(above, below, status)
    except OSError as error:
        raise from_os_error(error, asked) from error


@attrs.define
class DataCopier:
    """Copies files between two file systems: sharing blocks, else in the kernel, else by reading and writing."""

    check: Callable[[], None]
    """Raises an error when the copy is not wanted any more."""
    shares_blocks: bool = True
    """Whether FICLONE may work."""
    copies_in_kernel: bool = True
    """Whether copy_file_range(2) may work."""

    def copy(self, source: int, target: int, status: os.stat_result) -> None:
        """Fill an empty file with what another has in it. Holes stay holes.

        Args:
            source: The file to read.
            target: The empty file, open for writing.
            status: That of the source. What is added to the source later is not copied.

        Raises:
            OSError: Reading or writing failed.
        """
        size = status.st_size
        if size == 0 or (self.shares_blocks and self._share(source, target)):
            return
        if size <= SMALL and status.st_blocks * _BLOCK >= size:
            self._copy_range(source, target, os.write(target, os.read(source, size)), size)
            return
        end = 0
        for start, end in _data(source, size):
            self._copy_range(source, target, start, end)
        if end < size:  # a hole up to the end
            os.ftruncate(target, size)

    def _share(self, source: int, target: int) -> bool:
        try:
            fcntl.ioctl(target, FICLONE, source)
        except OSError as error:
            if error.errno in _NEVER:
                self.shares_blocks = False
            elif error.errno not in _NOT_THIS:
                raise
            return False
        return True

    def _copy_range(self, source: int, target: int, start: int, end: int) -> None:
        """Copy bytes to the same place; less, where the source has become shorter."""
        while start < end:
            copied = self._copy_in_kernel(source, target, start, min(end - start, CHUNK))
            # Nothing: the file has ended, or is of a kind that the kernel sees no content in.
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
            if error.errno in _NEVER:
                self.copies_in_kernel = False
            elif error.errno not in _NOT_THIS:
                raise
            return 0


def _read_and_write(source: int, target: int, start: int, count: int) -> int:
    data = os.pread(source, count, start)
    return os.pwrite(target, data, start) if data else 0


def _data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """The start and end of each part of a file that is no hole (lseek(2))."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return
            if error.errno != errno.EINVAL:  # nobody knows where holes are
                raise
            start = end
            end = size
        else:
            end = min(size, os.lseek(fd, start, os.SEEK_HOLE))
        yield start, end
