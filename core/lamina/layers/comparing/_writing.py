"""Write the entries of a layer."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from lamina.context import current
from lamina.errdefs import Aborted
from lamina.fs import TreeCursor, open_within_mount
from lamina.layers._entry import Entry, EntryType
from lamina.layers.comparing._attributes import below, xattrs
from lamina.layers.comparing._files import CHUNK, open_file
from lamina.layers.comparing._node import DELETE, Node
from lamina.layers.tar._quoted import quoted

if TYPE_CHECKING:
    from lamina.layers.tar import TarWriter

_TYPES: Final = {
    stat.S_IFREG: EntryType.FILE,
    stat.S_IFDIR: EntryType.DIRECTORY,
    stat.S_IFLNK: EntryType.SYMLINK,
    stat.S_IFCHR: EntryType.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryType.BLOCK_DEVICE,
    stat.S_IFIFO: EntryType.FIFO,
}
_DEVICES: Final = frozenset({EntryType.CHARACTER_DEVICE, EntryType.BLOCK_DEVICE})


@attrs.define(eq=False, repr=False)
class EntrySource:
    """Reads the files of nodes, and writes their entries."""

    _writer: TarWriter
    _epoch: int
    """The latest time that an entry may have, and that of directories, in nanoseconds."""
    _progress: Callable[[int], object] | None
    _done: int = 0
    """Bytes of data that were written."""
    _check: Callable[[], None] = attrs.field(factory=lambda: current().check)

    def write(self, root: int, nodes: Sequence[Node]) -> None:
        """Write the entries of nodes, in their order.

        Args:
            root: The descriptor of the root directory of the tree that they are in.
            nodes: Nodes, each after the directory that it is in, unless that is the root.

        Raises:
            Aborted: A file changed meanwhile.
            OSError: A file cannot be read.
        """
        with TreeCursor(".", open_within_mount, dir_fd=root) as cursor:
            directories: list[Node] = []
            prefixes = [b""]
            for node in nodes:
                self._check()
                while directories and directories[-1] is not node.parent:
                    directories.pop()
                    prefixes.pop()
                    cursor.leave()
                if node.parent is None:
                    self._add_directory(b"./", cursor.fd)
                    continue
                name = prefixes[-1] + node.entry_name
                if node.is_directory:
                    if not cursor.try_enter(node.name):
                        raise _changed(node)
                    directories.append(node)
                    prefixes.append(name)
                    self._add_directory(name, cursor.fd)
                else:
                    self._add(cursor, node, name)

    def _add_directory(self, name: bytes, fd: int) -> None:
        self._writer.add(self._entry(name, EntryType.DIRECTORY, os.fstat(fd), xattrs(fd)))

    def _add(self, cursor: TreeCursor, node: Node, name: bytes) -> None:
        try:
            if node.kind is DELETE:
                self._writer.add(Entry(name, EntryType.FILE, mode=0))
                return
            if node.is_file and node.source is None:
                self._add_file(cursor, node, name)
            else:
                self._add_other(cursor, node, name)
        except FileNotFoundError as error:
            raise _changed(node) from error
        except OSError as error:
            raise OSError(error.errno, error.strerror, cursor.path(node.name)) from error

    def _add_other(self, cursor: TreeCursor, node: Node, name: bytes) -> None:
        """Write the entry of what has no data: another name of a file, a symbolic link, a device or a FIFO."""
        status = os.stat(node.name, dir_fd=cursor.fd, follow_symlinks=False)
        type_ = _TYPES.get(stat.S_IFMT(status.st_mode))
        if type_ is None or type_ is EntryType.DIRECTORY or (type_ is EntryType.FILE) != node.is_file:
            raise _changed(node)
        entry = self._entry(name, type_, status, xattrs(below(cursor.fd, node.name)))
        if node.source is not None:
            entry.type = EntryType.HARD_LINK
            entry.link = node.source.path
        elif type_ is EntryType.SYMLINK:
            entry.link = os.fsencode(os.readlink(node.name, dir_fd=cursor.fd))
        self._writer.add(entry)

    def _add_file(self, cursor: TreeCursor, node: Node, name: bytes) -> None:
        fd = open_file(node.name, cursor.fd)
        try:
            status = os.fstat(fd)
            entry = self._entry(name, EntryType.FILE, status, xattrs(fd))
            entry.size = status.st_size
            self._writer.add(entry, self._data(fd, status.st_size))
            if _state(os.fstat(fd)) != _state(status):
                raise _changed(node)
        finally:
            os.close(fd)

    def _data(self, fd: int, size: int) -> Iterator[bytes]:
        """Yield the content of a file, at most `size` bytes of it."""
        while size > 0 and (data := os.read(fd, min(size, CHUNK))):
            yield data
            size -= len(data)
            self._done += len(data)
            if self._progress is not None:
                self._progress(self._done)
            self._check()

    def _entry(
        self, name: bytes, type_: EntryType, status: os.stat_result, attributes: Mapping[bytes, bytes]
    ) -> Entry:
        is_directory = type_ is EntryType.DIRECTORY
        return Entry(
            name,
            type_,
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            mtime=self._epoch if is_directory else min(status.st_mtime_ns, self._epoch),
            device=status.st_rdev if type_ in _DEVICES else 0,
            xattrs=attributes,
        )


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _changed(node: Node) -> Aborted:
    return Aborted(f"{quoted(node.path)} changed while it was read; try again")
