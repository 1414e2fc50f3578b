"""Compare two directory trees."""

from __future__ import annotations

import contextlib
import enum
import errno
import io
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final

import attrs

from lamina.context import current
from lamina.errdefs import translated
from lamina.fs._tree_cursor import TreeCursor

OPAQUE: Final = ".wh..opq"
"""The name whose deletion means that a directory is opaque. A layer marks deletions with the prefix `.wh.`, which
yields `.wh..wh..opq`, the opaque whiteout of the OCI image-spec (layer.md)."""
_OPAQUE_ATTRIBUTES: Final = ("trusted.overlay.opaque", "user.overlay.opaque")
"""Documentation/filesystems/overlayfs.rst. Mounts with the option `userxattr` use the second one."""
_NO_ATTRIBUTE: Final = frozenset({errno.ENODATA, errno.ENOTSUP})
_SECOND: Final = 1_000_000_000
_CHUNK: Final = 1 << 20
"""Bytes compared at a time."""


class ChangeKind(enum.StrEnum):
    """How a path changed."""

    ADD = "add"
    MODIFY = "modify"
    DELETE = "delete"
    UNMODIFIED = "unmodified"
    """Not changed. Reported for files with several hard links: an archive needs the target of a new link."""


@attrs.frozen
class Change:
    """A path that differs between two trees."""

    kind: ChangeKind
    path: str
    """The path below the root of the trees, beginning with `/`."""


def changes(a: str, b: str) -> Generator[Change, None, None]:
    """Yield the changes from tree `a` to tree `b`, sorted by path with `/` before every other byte.

    Two files are equal if they are the same inode, or if mode, owner, device number, file capabilities, size and
    modification time are equal. Times are compared in nanoseconds; if both are whole seconds, the content is
    compared. Size and time of directories are ignored, as are other extended attributes and the roots themselves.
    Deleting a directory is one change, and so is replacing it by another type of file. The trees should not change
    meanwhile: an entry that vanishes counts as absent, or is an error if noticed late.

    Args:
        a: The path of the earlier tree; "" for an empty tree.
        b: The path of the later tree.

    Returns:
        A lazy generator. It keeps directories open until it is exhausted or closed.

    Raises:
        NotFound: A root does not exist.
        PermissionDenied: A file or directory cannot be read.
        Aborted: A directory was moved while the walk was inside it.
        Canceled: The call was cancelled.
        DeadlineExceeded: The call's deadline has passed.
    """
    with translated("compare trees"), contextlib.closing(_walk(a, b, _read_all)) as entries:
        for entry in entries:
            kind = _kind(entry)
            if kind is not None:
                yield Change(kind, entry.path)


def _kind(entry: _Entry) -> ChangeKind | None:
    if entry.new is None:
        return ChangeKind.DELETE
    if entry.old is None:
        return ChangeKind.ADD
    if not _is_same(entry):
        return ChangeKind.MODIFY
    return ChangeKind.UNMODIFIED if entry.new.st_nlink > 1 and not entry.is_directory else None


def overlay_changes(base: str, diff: str) -> Generator[Change, None, None]:
    """Yield the changes that the upper directory of an overlay makes. The cost depends on `diff` alone.

    Every entry of `diff` is a change, except a directory that is equal in `base`. Such a directory is reported as
    modified just before the first addition or deletion in it. A whiteout is a deletion; if `base` has no entry of
    that name, it is the addition of a device, as in containerd. An opaque directory starts with a deletion of
    `OPAQUE`.

    Args:
        base: The path of the merged lower tree; "" for an empty tree.
        diff: The path of the upper directory.

    Returns:
        As for `changes`.

    Raises:
        Error: As for `changes`.
    """
    reported = {""}
    with translated("compare trees"), contextlib.closing(_walk(base, diff, _look_up)) as entries:
        for entry in entries:
            if _is_opaque(entry):
                yield Change(ChangeKind.DELETE, f"{entry.path}/{OPAQUE}")
            kind = _overlay_kind(entry)
            if kind is None:
                continue
            reported.add(entry.path)
            if kind is not ChangeKind.MODIFY and entry.parent not in reported:
                reported.add(entry.parent)
                yield Change(ChangeKind.MODIFY, entry.parent)
            yield Change(kind, entry.path)


def _overlay_kind(entry: _Entry) -> ChangeKind | None:
    if entry.old is None:
        return ChangeKind.ADD
    if _is_whiteout(entry):
        return ChangeKind.DELETE
    if entry.is_directory and entry.was_directory and _is_same(entry):
        return None
    return ChangeKind.MODIFY


@attrs.frozen
class _Entry:
    """A name in a directory, with its status in both trees; None where it does not exist."""

    parent: str
    name: str
    old: os.stat_result | None
    new: os.stat_result | None
    base: TreeCursor | None
    """The cursor at the directory of `old`; None if that tree has no such directory."""
    tree: TreeCursor
    """The cursor at the directory of `new`."""

    @property
    def path(self) -> str:
        return f"{self.parent}/{self.name}"

    @property
    def was_directory(self) -> bool:
        return self.old is not None and stat.S_ISDIR(self.old.st_mode)

    @property
    def is_directory(self) -> bool:
        return self.new is not None and stat.S_ISDIR(self.new.st_mode)


_Reader = Callable[[TreeCursor, Iterable[str]], dict[str, os.stat_result]]
"""Reads the entries of a directory in the earlier tree, given the names in the later one."""


@attrs.frozen
class _Frame:
    """A directory on the stack of a walk."""

    entries: Iterator[_Entry]
    entered: tuple[TreeCursor, ...]
    """The cursors that entered the directory."""


def _walk(a: str, b: str, read_old: _Reader) -> Generator[_Entry, None, None]:
    """Yield the entries of both trees side by side. Directories that exist only in `a` are not entered."""
    with contextlib.ExitStack() as opened:
        base = opened.enter_context(TreeCursor(a)) if a else None
        tree = opened.enter_context(TreeCursor(b))
        frames = [_Frame(_entries("", base, tree, read_old), ())]
        while frames:
            entry = next(frames[-1].entries, None)
            if entry is None:
                for cursor in frames.pop().entered:
                    cursor.leave()
                continue
            yield entry
            if entry.is_directory and tree.try_enter(entry.name):
                below = (
                    entry.base if entry.base and entry.was_directory and entry.base.try_enter(entry.name) else None
                )
                entered = (tree, below) if below else (tree,)
                frames.append(_Frame(_entries(entry.path, below, tree, read_old), entered))


def _entries(parent: str, base: TreeCursor | None, tree: TreeCursor, read_old: _Reader) -> Iterator[_Entry]:
    """Return the entries of the current directory, which is read at once, before the cursors move on."""
    new = _read_all(tree)
    old = read_old(base, new) if base else {}
    names = sorted(old.keys() | new.keys(), key=os.fsencode)
    return iter([_Entry(parent, name, old.get(name), new.get(name), base, tree) for name in names])


def _read_all(directory: TreeCursor, _names: Iterable[str] = ()) -> dict[str, os.stat_result]:
    check = current().check
    found: dict[str, os.stat_result] = {}
    with os.scandir(directory.fd) as entries:
        for entry in entries:
            check()
            with contextlib.suppress(FileNotFoundError):  # it vanished
                found[entry.name] = entry.stat(follow_symlinks=False)
    return found


def _look_up(directory: TreeCursor, names: Iterable[str]) -> dict[str, os.stat_result]:
    found: dict[str, os.stat_result] = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # it is not there
            found[name] = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
    return found


def _is_same(entry: _Entry) -> bool:
    try:
        return _compare(entry)
    except OSError as error:
        raise OSError(error.errno, error.strerror, entry.tree.path(entry.name)) from error


def _compare(entry: _Entry) -> bool:
    old, new, base = entry.old, entry.new, entry.base
    if old is None or new is None or base is None:
        return False
    if (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino):
        return True
    return (
        (old.st_mode, old.st_uid, old.st_gid, old.st_rdev) == (new.st_mode, new.st_uid, new.st_gid, new.st_rdev)
        and _capabilities(base, entry.name) == _capabilities(entry.tree, entry.name)
        and (entry.is_directory or _has_same_content(entry, old, new, base))
    )


def _has_same_content(entry: _Entry, old: os.stat_result, new: os.stat_result, base: TreeCursor) -> bool:
    if (old.st_size, old.st_mtime_ns) != (new.st_size, new.st_mtime_ns):
        return False
    if new.st_mtime_ns % _SECOND:
        return True
    # Archives often store whole seconds only, so equal times prove little.
    if stat.S_ISLNK(new.st_mode):
        return os.readlink(entry.name, dir_fd=base.fd) == os.readlink(entry.name, dir_fd=entry.tree.fd)
    return not stat.S_ISREG(new.st_mode) or _have_same_bytes(base, entry.tree, entry.name)


def _have_same_bytes(base: TreeCursor, tree: TreeCursor, name: str) -> bool:
    check = current().check
    with _open(base, name) as old, _open(tree, name) as new:
        while True:
            check()
            chunk = old.read(_CHUNK)
            if chunk != new.read(_CHUNK):
                return False
            if not chunk:
                return True


def _open(directory: TreeCursor, name: str) -> io.FileIO:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return io.FileIO(os.open(name, flags, dir_fd=directory.fd))


def _capabilities(directory: TreeCursor, name: str) -> bytes:
    return _attribute(directory, name, "security.capability")


def _is_whiteout(entry: _Entry) -> bool:
    return entry.new is not None and stat.S_ISCHR(entry.new.st_mode) and entry.new.st_rdev == 0


def _is_opaque(entry: _Entry) -> bool:
    return entry.is_directory and any(
        _attribute(entry.tree, entry.name, attribute) == b"y" for attribute in _OPAQUE_ATTRIBUTES
    )


def _attribute(directory: TreeCursor, name: str, attribute: str) -> bytes:
    """Return an extended attribute of a directory entry; empty if missing."""
    try:
        return os.getxattr(f"/proc/self/fd/{directory.fd}/{name}", attribute, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_ATTRIBUTE:
            return b""
        raise
