"""The files of an image archive, whether it is a directory or a tar file."""

from __future__ import annotations

import abc
from contextlib import AbstractContextManager
from typing import Final

from lamina.content import Blob
from lamina.errdefs import InvalidArgument
from lamina.images.documents import MAX_BYTES

_SHOWN: Final = 100
"""Characters of a name that a message shows."""


class ArchiveFiles(abc.ABC):
    """The regular files of an archive, by their names: relative paths without `.` and `..`."""

    path: str
    """The archive, for messages."""

    @abc.abstractmethod
    def has(self, name: str) -> bool:
        """Return whether there is a file, or a link, of that name."""

    @abc.abstractmethod
    def open(self, name: str) -> AbstractContextManager[Blob]:
        """Open a file for the time of a block.

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
            NotFound, InvalidArgument: As for `open`, or it is larger than `lamina.images.documents.MAX_BYTES`.
        """
        with self.open(name) as blob:
            if blob.size > MAX_BYTES:
                raise InvalidArgument(
                    f"{self.path}: {shown(name)} has {blob.size} bytes: at most {MAX_BYTES} are allowed"
                )
            return b"".join(blob.pieces())


def plain_name(name: str, path: str) -> str:
    """Return a name that a document in an archive gives to a file of the archive, without `./` before it.

    Raises:
        InvalidArgument: It is not a relative path of names.
    """
    plain = name.removeprefix("./")
    if "\0" in plain or any(part in ("", ".", "..") for part in plain.split("/")):
        raise InvalidArgument(
            f"{path}: {shown(name)} is no path in the archive: it must be relative, without '..'"
        )
    return plain


def shown(name: str) -> str:
    """Return a name for a message."""
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")
