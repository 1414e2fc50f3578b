"""The tree that a layer is applied to: its directories, found beneath a descriptor."""

from __future__ import annotations

import abc
import errno
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, TypeVar

import attrs

from lamina.errdefs import InvalidArgument
from lamina.fs import open_beneath, remove_acls, remove_tree
from lamina.layers._entry import Entry
from lamina.layers.applying._directory import Directory
from lamina.layers.applying._errors import keeps_coming, not_a_directory
from lamina.layers.applying._lookups import Lookups
from lamina.layers.applying._paths import components, shown

_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_OPEN: Final = 128
"""Directories that stay open."""
_MAX_LINKS: Final = 40
"""Maximum number of symbolic links followed, as in path_resolution(7)."""
_IMPLIED_MODE: Final = 0o755
_MAX_TRIES: Final = 16
"""Maximum number of times that a name is removed if another process makes it again."""
_T = TypeVar("_T")


@attrs.define(eq=False, repr=False)
class Tree(abc.ABC):
    """A tree of directories. No path leads out of it, whatever links it has and whoever changes it meanwhile.

    Each name is looked up in the descriptor of its directory, and never followed. Symbolic links are read, and
    their targets looked up from the root of the tree. The directories used last stay open. A directory that gets
    new entries keeps its times.
    """

    root: Directory
    _open: OrderedDict[bytes, Directory] = attrs.field(factory=OrderedDict)
    """The open directories but the root, by path; those used last at the end."""
    _lookups: Lookups = attrs.field(factory=Lookups)
    _held: list[Directory] = attrs.field(factory=list)
    """Directories that stay open while others are looked up."""
    _time: int = 0
    """The time of a directory that is only implied."""

    def directory(self, path: bytes, time: int = 0) -> Directory:
        """Return the directory of an entry, and note it and those above as unpacked; otherwise as `look_up`."""
        found = self.look_up(path, time)
        if not found.is_unpacked:
            for parent, name in found.mark_unpacked():
                self.note_unpacked(parent, name)
        return found

    def look_up(self, path: bytes, time: int = 0) -> Directory:
        """Return the directory that a path of the archive names. It stays open until the next look-up.

        Symbolic links are followed in the tree. Missing directories are made: the archive implies them.

        Args:
            path: The path.
            time: The modification time of new directories, in nanoseconds.

        Raises:
            InvalidArgument: A file on the path is not a directory, or there are too many symbolic links.
            OSError: A directory cannot be opened or made.
        """
        found = self._lookups.get(path)
        if found is None:
            self._time = time
            self._lookups.make_room()
            found = self._resolve(path)
            self._lookups.add(path, found)
        elif found is not self.root:
            self._open.move_to_end(found.path)
        return found

    def make(self, parent: Directory, name: bytes, mode: int) -> tuple[Directory, bool]:
        """Make a directory, or return the one of the name. Anything else of the name is replaced.

        Args:
            parent: The directory to make it in.
            name: Its name.
            mode: Its mode, to which its owner's permissions are added, and of which the umask takes some away.

        Returns:
            The directory, and whether it is new.

        Raises:
            Aborted: Another process keeps making files of the name.
            OSError: It cannot be made.
        """
        has_replaced = False
        for _ in range(_MAX_TRIES):
            try:
                os.mkdir(name, mode | 0o700, dir_fd=parent.fd)
                parent.is_changed = is_new = True
            except FileExistsError:
                is_new = False
            path = parent.below(name)
            if not is_new and path in self._open:
                return self._open[path], False
            try:
                fd = open_beneath(name, _OPEN, dir_fd=parent.fd)
            except NotADirectoryError:
                self.remove(parent, name)
                has_replaced = True
                continue
            except FileNotFoundError:
                continue
            return self._add(parent, name, fd, is_new=is_new, has_replaced=has_replaced), is_new
        raise keeps_coming(parent, name)

    def replace(self, parent: Directory, name: bytes, make: Callable[[], _T]) -> _T:
        """Remove the file of a name, and make another one; return the result of `make`.

        Raises:
            Aborted: Another process keeps making files of the name.
            OSError: It cannot be removed or made.
        """
        for _ in range(_MAX_TRIES):
            self.remove(parent, name)
            try:
                return make()
            except FileExistsError:
                continue
        raise keeps_coming(parent, name)

    def remove(self, parent: Directory, name: bytes) -> None:
        """Remove a file or a directory tree, if there is one.

        Raises:
            Error: As `lamina.fs.remove_tree`.
            OSError: It cannot be removed.
        """
        parent.is_changed = True
        self._lookups.hide(parent.below(name))
        try:
            os.unlink(name, dir_fd=parent.fd)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            path = parent.below(name)
            self.close_below(path, keeps_times=False)
            if directory := self._open.get(path):
                self._close(directory, keeps_times=False)
            remove_tree(os.fsdecode(name), dir_fd=parent.fd)

    def close_below(self, path: bytes, *, keeps_times: bool = True) -> None:
        """Close the directories below a path, where links no longer lead anywhere.

        Arguments are as for `Directory.close`.
        """
        self._lookups.hide_below(path)
        for directory in self.open_below(path):
            self._close(directory, keeps_times=keeps_times)

    def open_below(self, path: bytes) -> list[Directory]:
        """Return the open directories below a path."""
        prefix = path + b"/" if path else b""
        return [directory for directory in self._open.values() if directory.path.startswith(prefix)]

    @contextmanager
    def holding(self, directory: Directory) -> Iterator[None]:
        """Keep a directory open in the block, while others are looked up."""
        self._held.append(directory)
        try:
            yield
        finally:
            self._held.pop()

    @abc.abstractmethod
    def note_unpacked(self, parent: Directory, name: bytes) -> None:
        """Note a name as unpacked by this layer, whose whiteouts then spare it."""

    @abc.abstractmethod
    def delete(self, parent: Directory, name: bytes) -> None:
        """Delete a name of the layers below (a whiteout)."""

    @abc.abstractmethod
    def delete_all(self, directory: Directory) -> None:
        """Delete all names of the layers below in a directory (an opaque whiteout)."""

    @abc.abstractmethod
    def find(self, parent: Directory, name: bytes) -> None:
        """Get a file of the layers below into the tree, so that this layer can link to it. It counts as theirs."""

    def check(self, entry: Entry) -> None:  # noqa: B027 - only where something is refused
        """Refuse an entry that would have another meaning in this tree than in the archive.

        Raises:
            InvalidArgument: It would.
        """

    def close(self, *, keeps_times: bool = True) -> None:
        """Close all directories; arguments as for `Directory.close`."""
        with ExitStack() as stack:
            for directory in (self.root, *self._open.values()):
                stack.callback(directory.close, keeps_times=keeps_times)
            self._open.clear()

    def _resolve(self, path: bytes) -> Directory:
        at, pending, links = *self._start(path), 0
        while pending:
            name = pending.pop()
            if name == b"..":
                pending += components(at.path)[-2::-1]
                at = self.root
                continue
            below = self._open.get(at.below(name))
            if below is not None:
                self._open.move_to_end(below.path)
                at = below
                continue
            found = self._enter(at, name)
            if isinstance(found, Directory):
                at = found
                continue
            links += 1
            self._lookups.follow(at.below(name))
            if links > _MAX_LINKS:
                raise InvalidArgument(f"apply the layer: {shown(path)} has more than {_MAX_LINKS} symbolic links")
            pending += [part for part in reversed(found.split(b"/")) if part not in (b"", b".")]
            if found.startswith(b"/"):
                at = self.root
        return at

    def _start(self, path: bytes) -> tuple[Directory, list[bytes]]:
        """Return the directory to look a path up from, and the names below it, last first."""
        head, _, tail = path.rpartition(b"/")
        known = self._lookups.get(head)
        if known is None or known is self.root or tail == b"..":
            return self.root, components(path)[::-1]
        self._open.move_to_end(known.path)
        return known, components(tail)[::-1]

    def _enter(self, parent: Directory, name: bytes) -> Directory | bytes:
        """Open a directory that is not open, or make it; return the target of a symbolic link."""
        try:
            fd = open_beneath(name, _OPEN, dir_fd=parent.fd)
        except FileNotFoundError:
            return self._enter_missing(parent, name)
        except NotADirectoryError:
            return self._enter_other(parent, name)
        return self._add(parent, name, fd)

    def _enter_missing(self, parent: Directory, name: bytes) -> Directory | bytes:
        """Make a directory that nothing describes, with the attributes that containerd gives it."""
        directory, _ = self.make(parent, name, _IMPLIED_MODE)
        self.note_unpacked(parent, name)
        if parent.has_default_acl:
            remove_acls(directory.fd)
            directory.has_default_acl = False
        os.fchown(directory.fd, os.geteuid(), os.getegid())
        os.fchmod(directory.fd, _IMPLIED_MODE)
        directory.set_times(self._time, self._time)
        return directory

    def _enter_other(self, parent: Directory, name: bytes) -> Directory | bytes:
        """Return the target of a symbolic link. The name exists, and is not a directory."""
        try:
            return os.readlink(name, dir_fd=parent.fd)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise not_a_directory(parent, name) from error
            raise

    def _add(
        self, parent: Directory, name: bytes, fd: int, *, is_new: bool = False, has_replaced: bool = False
    ) -> Directory:
        """Keep a directory open: `is_new` if it was just made, `has_replaced` if it took the place of a file."""
        may_have_acl = parent.has_default_acl or not is_new
        directory = Directory.of(parent.below(name), fd, above=parent, may_have_acl=may_have_acl)
        self._open[directory.path] = directory
        while len(self._open) > _MAX_OPEN:
            self._close(next(old for old in self._open.values() if old not in self._held))
        return directory

    def _close(self, directory: Directory, *, keeps_times: bool = True) -> None:
        del self._open[directory.path]
        self._lookups.forget(directory)
        directory.close(keeps_times=keeps_times)
