"""The files of blobs, named by their digests."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from lamina import content
from lamina.content._digest import check_digest
from lamina.content._labels import BlobLabels
from lamina.errdefs import Aborted, Error, NotFound, translated
from lamina.fs import SecureDirectory, fsync, open_secure_file
from lamina.labels import update_labels

if TYPE_CHECKING:
    from lamina.content import Info

ALGORITHM: Final = "sha256"
_NAME: Final = re.compile(r"[0-9a-f]{64}")


class Complete(NamedTuple):
    """A file that is durable where it is, and is to become a blob."""

    digest: str
    labels: Mapping[str, str]
    name: str
    """Its name until then."""
    dir_fd: int
    """The descriptor of the directory that it is in."""


class Blobs:
    """The directory `blobs/sha256`, and the labels of the blobs in it."""

    def __init__(self, directory: SecureDirectory, labels: BlobLabels | None) -> None:
        """Use a directory.

        Args:
            directory: The directory, whose names are durable. The caller closes it.
            labels: Keeps the labels; None to drop them.
        """
        self._directory = directory
        self._labels = labels if labels is not None else _NoLabels()
        self._changing = threading.Lock()
        """Held while blobs are added or deleted, and until that is durable."""

    def info(self, digest: str) -> Info:
        """Implement `ContentStore.info`."""
        with _found(digest):
            status = os.stat(_name(digest), dir_fd=self._directory.fd, follow_symlinks=False)
        labels = self._labels.get(digest)
        # The time of the last status change cannot be set, and reading does not change it.
        return content.Info(digest, status.st_size, labels, created=status.st_mtime_ns, updated=status.st_ctime_ns)

    def open(self, digest: str) -> int:
        """Open a blob for reading and return the descriptor."""
        with _found(digest):
            path = self._directory.path_of(_name(digest))
            return open_secure_file(path, os.O_RDONLY, dir_fd=self._directory.fd)

    def digests(self) -> list[str]:
        """Return the digests of all blobs, in byte order."""
        return sorted(f"{ALGORITHM}:{name}" for name in self._directory.names() if _NAME.fullmatch(name))

    def has(self, digest: str) -> bool:
        """Return whether a blob is there durably."""
        with self._changing:
            return self._directory.has(_name(digest))

    def add(self, complete: Sequence[Complete]) -> list[bool]:
        """Turn files into blobs, durably.

        Returns:
            For each file, whether it became a blob. It stays where it is if there is such a blob.

        Raises:
            OSError: Some may be blobs, durably.
        """
        added = []
        with self._changing:
            missing = [one for one in complete if not self._directory.has(_name(one.digest))]
            self._labels.put_all({one.digest: one.labels for one in missing})
            with self._durably() as names:
                for one in complete:
                    name = _name(one.digest)
                    is_new = not self._directory.has(name)
                    if is_new:
                        os.rename(one.name, name, src_dir_fd=one.dir_fd, dst_dir_fd=self._directory.fd)
                        names.append(name)
                    added.append(is_new)
        return added

    @contextlib.contextmanager
    def _durably(self) -> Iterator[list[str]]:
        """Sync the directory after the block has added names to it and to the list, or remove them again."""
        names: list[str] = []
        try:
            yield names
        finally:
            try:
                fsync(self._directory.fd)
            except OSError:
                for name in names:
                    os.unlink(name, dir_fd=self._directory.fd)
                raise

    def update(self, digest: str, labels: Mapping[str, str], fieldpaths: Sequence[str]) -> None:
        """Change the labels of a blob."""
        with self._changing:
            old = self.info(digest).labels
            new = update_labels(old, labels, fieldpaths, f"blob {digest}")
            self._labels.put(digest, new)
            with _found(digest):
                status = os.stat(_name(digest), dir_fd=self._directory.fd, follow_symlinks=False)
                times = status.st_atime_ns, status.st_mtime_ns
                os.utime(_name(digest), ns=times, dir_fd=self._directory.fd)  # a status change: see `info`

    def delete(self, digest: str) -> None:
        """Delete a blob, then its labels."""
        with self._changing:
            self._unlink(digest)
            fsync(self._directory.fd)
            self._labels.delete(digest)

    def delete_all(self, blobs: Sequence[Info]) -> dict[str, Error]:
        """Implement `ContentStore.delete_all`.

        Raises:
            OSError: The disk failed. Which blobs are deleted is not known, and their labels stay.
        """
        errors: dict[str, Error] = {}
        with self._changing:
            for blob in blobs:
                try:
                    with translated(f"delete blob {blob.digest}"):
                        if self.info(blob.digest) != blob:
                            raise Aborted(f"blob {blob.digest} changed meanwhile")
                        self._unlink(blob.digest)
                except Error as error:
                    errors[blob.digest] = error
            if len(errors) < len(blobs):
                fsync(self._directory.fd)
                self._labels.put_all({blob.digest: {} for blob in blobs if blob.digest not in errors})
        return errors

    def _unlink(self, digest: str) -> None:
        with _found(digest):
            os.unlink(_name(digest), dir_fd=self._directory.fd)

    def forget_labels(self) -> None:
        """Delete the labels of missing blobs, which interrupted calls left behind."""
        for digest, _ in self._labels.walk():
            if not self._directory.has(_name(digest)):
                with self._changing:
                    if not self._directory.has(_name(digest)):
                        self._labels.delete(digest)


class _NoLabels(BlobLabels):
    """Keeps no labels."""

    def get(self, digest: str) -> Mapping[str, str]:
        """Return no labels."""
        return {}

    def put(self, digest: str, labels: Mapping[str, str]) -> None:
        """Drop labels."""

    def delete(self, digest: str) -> None:
        """Do nothing."""

    def put_all(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Drop labels."""

    def walk(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield nothing."""
        return iter(())


def _name(digest: str) -> str:
    return check_digest(digest).partition(":")[2]


@contextlib.contextmanager
def _found(digest: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"blob {digest} does not exist") from error
