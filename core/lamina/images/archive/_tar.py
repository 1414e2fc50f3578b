"""The files of a tar archive: where they lie in it."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lamina.content import Blob
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images.archive._files import ArchiveFiles, plain_name, shown
from lamina.layers import Entry, EntryType, TarReader, open_layer

MAX_FILES: Final = 50_000
"""Maximum number of entries of an image archive: more than a hundred images of a hundred layers each have."""
MAX_NAMES: Final = 8 << 20
"""Maximum size of all names of files, and of link targets, together, in bytes."""
_MAX_LINKS: Final = 8
"""Maximum number of links from a name to its file. Archives of `docker save` have one, for shared layers."""
_LINKS: Final = frozenset({EntryType.SYMLINK, EntryType.HARD_LINK})


class TarFiles(ArchiveFiles):
    """The files of an uncompressed tar archive, which is read once to find them, without their data."""

    def __init__(self, path: str, fd: int) -> None:
        """Find the files.

        Raises:
            InvalidArgument: The archive is malformed, or has more entries or names than may be.
        """
        super().__init__(path)
        self._fd = fd
        self._files: dict[str, tuple[int, int]] = {}
        """Offsets and sizes."""
        self._links: dict[str, str] = {}
        self._repeated: set[str] = set()
        with open_layer(fd, size=os.fstat(fd).st_size) as stream:
            reader = TarReader(stream, hashed=False)
            names = 0
            for count, entry in enumerate(_entries(reader, path)):
                names += len(entry.name) + len(entry.link)
                if count == MAX_FILES or names > MAX_NAMES:
                    raise InvalidArgument(
                        f"{path}: more than {MAX_FILES} entries, or {MAX_NAMES} bytes of names: image archives "
                        "have fewer"
                    )
                self._add(entry, reader.position)

    def has(self, name: str) -> bool:
        """Return whether there is a file, or a link, of that name."""
        return name in self._files or name in self._links

    @contextmanager
    def open(self, name: str) -> Iterator[Blob]:
        """Open a file for the duration of a block; see `ArchiveFiles.open`."""
        plain = plain_name(name, self.path)
        for _ in range(_MAX_LINKS + 1):
            if plain in self._repeated:
                raise InvalidArgument(
                    f"{self.path}: {shown(plain)} occurs twice: programs would choose differently"
                )
            if plain not in self._links:
                break
            plain = self._links[plain]
        if plain not in self._files:
            raise NotFound(f"{self.path}: there is no file {shown(name)}")
        offset, size = self._files[plain]
        yield Blob(self._fd, size, offset)

    def _add(self, entry: Entry, position: int) -> None:
        name = posixpath.normpath(os.fsdecode(entry.name))
        if name in self._files or name in self._links:
            self._repeated.add(name)
        if entry.type is EntryType.FILE and entry.extents is None:
            self._files[name] = position, entry.size
        elif entry.type in _LINKS:
            link = os.fsdecode(entry.link)
            relative = posixpath.join(posixpath.dirname(name), link) if entry.type is EntryType.SYMLINK else link
            self._links[name] = posixpath.normpath(relative)

    def close(self) -> None:
        """Close the archive."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _entries(reader: TarReader, path: str) -> Iterator[Entry]:
    """Yield the entries of an archive, and name it in errors."""
    is_tar = False
    try:
        for entry in reader:
            is_tar = True
            yield entry
    except InvalidArgument as error:
        if is_tar:
            raise InvalidArgument(f"{path}: {error}") from error
        raise InvalidArgument(
            f"{path}: not an image archive: neither a directory nor a tar archive; docker save and skopeo make one"
        ) from error
