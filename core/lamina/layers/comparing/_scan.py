"""Walk two trees side by side, and find out what differs."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Final

import attrs

from lamina.context import current
from lamina.errdefs import Aborted, FailedPrecondition
from lamina.fs import TreeCursor, open_within_mount
from lamina.layers.comparing._attributes import xattrs
from lamina.layers.comparing._change import ChangeKind
from lamina.layers.comparing._extents import are_on_one_btrfs
from lamina.layers.comparing._files import FileComparer
from lamina.layers.comparing._link_groups import LinkGroups, NamesMissing
from lamina.layers.comparing._node import Node
from lamina.layers.comparing._overlay import enter_layers
from lamina.layers.comparing._trees import Trees

_EMPTY: Final = (stat.S_IFDIR | 0o755, 0, 0)
"""Mode, owner and group of the root of a tree that has nothing."""
_ADD: Final = ChangeKind.ADD  # looked up once, since that takes longer than for other classes
_MODIFY: Final = ChangeKind.MODIFY
_DELETE: Final = ChangeKind.DELETE


def scan(trees: Trees) -> list[Node]:
    """Return the nodes of the layer that turns one tree into the other, in the order of their entries.

    Raises:
        Aborted: A tree changed meanwhile.
        Canceled, DeadlineExceeded: The current call ended.
        OSError: A file cannot be read.
    """
    if trees.layers is not None:
        with suppress(NamesMissing):
            return _scan(trees)
    return _scan(attrs.evolve(trees, layers=None))


def _scan(trees: Trees) -> list[Node]:
    with ExitStack() as stack:

        def cursor(fd: int) -> TreeCursor:
            return stack.enter_context(TreeCursor(".", open_within_mount, dir_fd=fd))

        walk = _Walk(
            None if trees.lower is None else cursor(trees.lower),
            cursor(trees.upper),
            None if trees.layers is None else tuple(map(cursor, trees.layers)),
        )
        walk.run()
    walk.links.settle(met_all=trees.layers is None)
    return _written(walk.nodes)


def _written(nodes: list[Node]) -> list[Node]:
    """Return the nodes that have an entry: those that differ, and the directories that they are in."""
    for node in nodes:
        if node.kind is None:
            continue
        node.is_written = True
        directory = node.parent
        while directory is not None and directory.parent is not None and not directory.is_written:
            directory.is_written = True
            directory = directory.parent
    return [node for node in nodes if node.is_written]


@attrs.frozen(eq=False, repr=False)
class _Found:
    """A node that was found in a directory."""

    entry_name: bytes
    node: Node
    was_directory: bool = False
    """True if it is a directory in both trees."""
    statuses: tuple[os.stat_result | None, os.stat_result] | None = None
    """Of what has or had several names: its status in both trees."""


@attrs.frozen(eq=False, repr=False)
class _Frame:
    """A directory on the way from the root to where the walk is."""

    directory: Node
    pending: Iterator[_Found]
    lower: TreeCursor | None
    layers: tuple[TreeCursor, ...] | None
    entered: tuple[TreeCursor, ...]
    """The cursors that leave it at the end."""


class _Walk:
    def __init__(self, lower: TreeCursor | None, upper: TreeCursor, layers: tuple[TreeCursor, ...] | None) -> None:
        self._lower = lower
        self._upper = upper
        self._layers = layers
        self._check: Callable[[], None] = current().check
        self._files = FileComparer(lower is not None and are_on_one_btrfs(lower.fd, upper.fd), self._check)
        self.nodes: list[Node] = []
        self.links = LinkGroups()

    def run(self) -> None:
        """Walk the trees."""
        root = Node(None, "", None, is_directory=True)
        if self._root_differs():
            root.kind = _MODIFY
        self.nodes.append(root)
        frames = [_Frame(root, self._read(root, self._lower, self._layers), self._lower, self._layers, ())]
        while frames:
            frame = frames[-1]
            found = next(frame.pending, None)
            if found is None:
                frames.pop()
                self._leave(frame)
                continue
            self.nodes.append(found.node)
            if found.statuses is not None:
                self.links.add(found.node, *found.statuses)
            if found.node.is_directory:
                frames.append(self._enter(found, frame))

    def _root_differs(self) -> bool:
        new = os.fstat(self._upper.fd)
        if self._lower is None:
            return (new.st_mode, new.st_uid, new.st_gid) != _EMPTY or bool(xattrs(self._upper.fd))
        return _differs(os.fstat(self._lower.fd), new) or xattrs(self._lower.fd) != xattrs(self._upper.fd)

    def _enter(self, found: _Found, frame: _Frame) -> _Frame:
        node = found.node
        lower, layers = None, None
        entered = [self._upper]
        self._descend(self._upper, node.name)
        if found.was_directory and frame.lower is not None:
            lower = frame.lower
            entered.append(lower)
            self._descend(lower, node.name)
            if node.kind is None and xattrs(lower.fd) != xattrs(self._upper.fd):
                node.kind = _MODIFY
            if frame.layers is not None:
                layers = enter_layers(frame.layers, node.name)
                entered.extend(layers or ())
        return _Frame(node, self._read(node, lower, layers), lower, layers, tuple(entered))

    @staticmethod
    def _descend(cursor: TreeCursor, name: str) -> None:
        try:
            if cursor.try_enter(name):
                return
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise FailedPrecondition(
                    f"compare trees: {cursor.path(name)} is a mount point; unmount it first"
                ) from error
            raise
        raise Aborted(f"compare trees: {cursor.path(name)} changed meanwhile; try again")

    def _leave(self, frame: _Frame) -> None:
        for cursor in frame.entered:
            cursor.leave()
        if self.nodes[-1] is frame.directory and frame.directory.kind is None:
            self.nodes.pop()  # nothing differs in it

    def _read(
        self, directory: Node, lower: TreeCursor | None, layers: tuple[TreeCursor, ...] | None
    ) -> Iterator[_Found]:
        """Read the current directory of both trees at once, before the cursors move on."""
        old: dict[str, os.stat_result] = {}
        if lower is not None and layers is not None:
            names = {name for layer in layers for name in os.listdir(layer.fd)}
            old, new = self._look_up(lower.fd, names), self._look_up(self._upper.fd, names)
        else:
            new = self._list(self._upper.fd)
            if lower is not None:
                old = self._list(lower.fd)
        old_fd = -1 if lower is None else lower.fd
        try:
            found = list(self._compare(directory, old, new, old_fd))
        except FileNotFoundError as error:
            raise Aborted(f"compare trees: {self._path(error)} changed meanwhile; try again") from error
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path(error)) from error
        found.sort(key=lambda one: one.entry_name)
        return iter(found)

    def _path(self, error: OSError) -> str:
        """Return the path of the file in the current directory that an error names."""
        name = error.filename if isinstance(error.filename, str) else ""
        return self._upper.path(os.path.basename(name))

    def _list(self, fd: int) -> dict[str, os.stat_result]:
        found = {}
        with os.scandir(fd) as entries:
            for entry in entries:
                self._check()
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # it vanished
                    continue
                if not stat.S_ISSOCK(status.st_mode):
                    found[entry.name] = status
        return found

    def _look_up(self, fd: int, names: Iterable[str]) -> dict[str, os.stat_result]:
        found = {}
        for name in names:
            self._check()
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISSOCK(status.st_mode):
                found[name] = status
        return found

    def _compare(
        self, directory: Node, old: dict[str, os.stat_result], new: dict[str, os.stat_result], old_fd: int
    ) -> Iterator[_Found]:
        for name, status in new.items():
            before = old.pop(name, None)
            if stat.S_ISDIR(status.st_mode):
                yield self._directory(directory, name, before, status)
            elif (found := self._file(directory, name, before, status, old_fd)) is not None:
                yield found
        for name, before in old.items():
            if not stat.S_ISDIR(before.st_mode):
                self.links.meet(before)
            node = Node(directory, name, _DELETE)
            yield _Found(node.entry_name, node)

    def _directory(self, parent: Node, name: str, old: os.stat_result | None, new: os.stat_result) -> _Found:
        kind: ChangeKind | None = _ADD
        was_directory = False
        if old is not None:
            was_directory = stat.S_ISDIR(old.st_mode)
            kind = None if was_directory and not _differs(old, new) else _MODIFY
            if not was_directory:
                self.links.meet(old)
        node = Node(parent, name, kind, is_directory=True)
        return _Found(node.entry_name, node, was_directory)

    def _file(
        self, parent: Node, name: str, old: os.stat_result | None, new: os.stat_result, old_fd: int
    ) -> _Found | None:
        """Compare anything but directories; return None if it does not differ, and has and had one name."""
        if old is None:
            kind: ChangeKind | None = _ADD
        elif stat.S_IFMT(old.st_mode) != stat.S_IFMT(new.st_mode):
            kind = _MODIFY
        else:
            kind = _MODIFY if self._files.differ(name, old, new, old_fd, self._upper.fd) else None
        if old is not None and not stat.S_ISDIR(old.st_mode):
            self.links.meet(old)
        else:
            old = None
        is_linked = new.st_nlink > 1 or (old is not None and old.st_nlink > 1)
        if kind is None and not is_linked:
            return None
        is_file = stat.S_ISREG(new.st_mode)
        size = new.st_size if is_file else 0
        node = Node(parent, name, kind, is_file=is_file, size=size, mtime=new.st_mtime_ns)
        return _Found(node.entry_name, node, statuses=(old, new) if is_linked else None)


def _differs(old: os.stat_result, new: os.stat_result) -> bool:
    return (old.st_mode, old.st_uid, old.st_gid) != (new.st_mode, new.st_uid, new.st_gid)
