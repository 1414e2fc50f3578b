"""The files of an image archive, whether it is a directory or a tar file."""

from __future__ import annotations

import abc
from contextlib import AbstractContextManager
from typing import Final

from lamina.content import Blob
from lamina.errdefs import InvalidArgument
from lamina.images.documents import MAX_BYTES

MAX_READ: Final = 1 << 30
"""Bytes of documents that are read from one archive, with all repetitions. A thousand images of a hundred layers
have 40 MiB of documents, and each is read some five times."""
_OVERHEAD: Final = 4 << 10
"""Minimum number of those bytes that a document counts for: reading a small one takes as long."""
_SHOWN: Final = 100
"""Maximum number of characters of a name in a message."""


class ArchiveFiles(abc.ABC):
    """The regular files of an archive, by their names: relative paths without `.` and `..`."""

    def __init__(self, path: str) -> None:
        self.path = path
        """The archive, for messages."""
        self._read = 0
        """Bytes of documents that were read."""

    @abc.abstractmethod
    def has(self, name: str) -> bool:
        """Return whether there is a file, or a link, of that name."""

    @abc.abstractmethod
    def open(self, name: str) -> AbstractContextManager[Blob]:
        """Open a file for the duration of a block.

        Raises:
            NotFound: There is no such file.
            InvalidArgument: It is not a regular file, leads out of the archive, or is there twice.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Release all resources. Closing twice does nothing."""

    def read(self, name: str) -> bytes:
        """Return the data of a document.

        Raises:
            NotFound, InvalidArgument: As for `open` and `read_document`.
        """
        with self.open(name) as blob:
            return self.read_document(name, blob)

    def read_document(self, name: str, blob: Blob) -> bytes:
        """Return the data of a document that is open.

        Raises:
            InvalidArgument: It is larger than `lamina.images.documents.MAX_BYTES`, or `MAX_READ` is exceeded.
        """
        if blob.size > MAX_BYTES:
            raise InvalidArgument(
                f"{self.path}: {shown(name)} has {blob.size} bytes: at most {MAX_BYTES} are allowed"
            )
        self._read += max(blob.size, _OVERHEAD)
        if self._read > MAX_READ:
            raise InvalidArgument(f"{self.path}: too many documents: at most {MAX_READ} bytes of them are read")
        return b"".join(blob.pieces())


def plain_name(name: str, path: str) -> str:
    """Return a name that a document in an archive gives to a file of the archive, without `./` before it.

    Raises:
        InvalidArgument: It is not a relative path of names.
    """
    plain = name.removeprefix("./")
    if "\0" in plain or any(part in ("", ".", "..") for part in plain.split("/")):
        raise InvalidArgument(
            f"{path}: {shown(name)} is not a path in the archive: it must be relative, without '..'"
        )
    return plain


def shown(name: str) -> str:
    """Return a name for a message."""
    short = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    return repr(short).replace("\\udc", "\\x")  # bytes that are not UTF-8
