"""The writer of an ingest."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from lamina.content._blob import Blob
from lamina.content._contract import Progress, Writer
from lamina.content._records import Commit, Info, Status
from lamina.content.local._ingests import Ingest
from lamina.errdefs import FailedPrecondition, translated
from lamina.fs import clone_range, fsync, start_writeback

_WRITEBACK: Final = 8 << 20
"""Bytes after which the disk begins to write, so that it works during the copy and not only at the commit."""
_BLOCK: Final = 4096
"""Bytes: the block size of most file systems. Those with a larger one refuse to share ranges that begin there."""
BLOB_MODE: Final = 0o444
"""The mode of blobs, which nothing may change."""


class LocalWriter(Writer):
    """Writes the data of an ingest, and hashes it.

    The bytes that are hashed are those that are stored. A copy in the kernel beside a second read for the hash
    could get different ones, if the source changes in between.
    """

    def __init__(
        self,
        ingest: Ingest,
        release: Callable[[], None],
        commit: Callable[[Commit], Info],
    ) -> None:
        """Hash the data that is there.

        Args:
            ingest: The ingest. Closed with the writer.
            release: Called by `close`, or if this fails.
            commit: Implements `commit`.

        Raises:
            OSError: The data cannot be read.
            Canceled, DeadlineExceeded: The current call ended.
        """
        self.ingest = ingest
        self.ref = ingest.status.ref
        self._commit = commit
        self._is_closed = False
        self._rewind()
        self._flushed = ingest.status.offset
        """The offset up to which the disk has begun to write."""
        with contextlib.ExitStack() as resources:
            resources.callback(release)
            resources.push(ingest.resources)
            self._hash_stored(self._flushed)
            self._resources = resources.pop_all()

    @property
    def _fd(self) -> int:
        if self._is_closed:  # its number may be that of another file by now
            raise FailedPrecondition(f"ingest {self.ref!r}: its writer is closed; open another one")
        return self.ingest.data

    @property
    def status(self) -> Status:
        """Implement `Writer.status`."""
        updated = os.fstat(self._fd).st_mtime_ns
        return attrs.evolve(self.ingest.status, offset=self._offset, updated=updated)

    @property
    def digest(self) -> str:
        """Implement `Writer.digest`."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes | memoryview) -> None:
        """Implement `Writer.write`."""
        left = memoryview(data).cast("B")
        with translated(f"write to ingest {self.ref!r}"):
            while left:
                # The disk may be full after a part of it.
                count = os.pwrite(self._fd, left, self._offset)
                self._hash.update(left[:count])
                self._offset += count
                left = left[count:]
            if self._offset - self._flushed >= _WRITEBACK:
                start_writeback(self._fd, self._flushed, self._offset - self._flushed)
                self._flushed = self._offset

    def copy_from(self, blob: Blob, progress: Progress | None = None) -> None:
        """Implement `Writer.copy_from`. A file system that can shares the blocks, and nothing is copied."""
        if self._offset == 0 and self._share(blob):
            self._hash_stored(blob.size, progress)
        else:
            super().copy_from(blob, progress)

    def truncate(self) -> None:
        """Implement `Writer.truncate`."""
        with translated(f"truncate ingest {self.ref!r}"):
            os.ftruncate(self._fd, 0)
        self._rewind()
        self._flushed = 0

    def commit(self, *, size: int = 0, digest: str = "", labels: Mapping[str, str] | None = None) -> Info:
        """Implement `Writer.commit`."""
        return self._commit(Commit(self, digest or self.digest, size, labels or {}))

    def close(self) -> None:
        """Implement `Writer.close`."""
        self._is_closed = True
        self._resources.close()

    def check(self, size: int, digest: str) -> None:
        """Check that the data is as expected; see `commit`."""
        if size and size != self._offset:
            raise FailedPrecondition(
                f"ingest {self.ref!r}: unexpected commit size {self._offset}, expected {size}"
            )
        if digest and digest != self.digest:
            raise FailedPrecondition(
                f"ingest {self.ref!r}: unexpected commit digest {self.digest}, expected {digest}"
            )

    def finish(self) -> None:
        """Give the file the size and mode of a blob, and have the disk begin to write it.

        Raises:
            OSError: The disk failed or is full.
        """
        os.ftruncate(self._fd, self._offset)  # longer than that after a copy that was interrupted
        os.fchmod(self._fd, BLOB_MODE)
        start_writeback(self._fd)

    def sync(self) -> None:
        """Wait until the file is on the disk.

        Raises:
            OSError: The disk failed or is full, and data may be lost. A second attempt would not report it.
        """
        fsync(self._fd)

    def _share(self, blob: Blob) -> bool:
        if not blob.size or blob.offset % _BLOCK:
            return False
        with translated(f"share data with ingest {self.ref!r}"):
            return clone_range(blob.fd, blob.offset, blob.size, self._fd)

    def _hash_stored(self, size: int, progress: Progress | None = None) -> None:
        """Hash the file's data beyond the offset, up to a size in bytes."""
        if progress:
            progress(self._offset)
        for piece in Blob(self._fd, size).pieces(self._offset):
            self._hash.update(piece)
            self._offset += len(piece)
            if progress:
                progress(self._offset)

    def _rewind(self) -> None:
        import hashlib

        self._hash = hashlib.sha256()
        self._offset = 0
