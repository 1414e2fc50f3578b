"""Read directory trees into comparable values."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from typing import Final

import attrs

_TYPES: Final = {
    stat.S_IFDIR: "directory",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symbolic link",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
}
_MACHINE_XATTRS: Final = frozenset({"security.selinux"})
"""Attributes that the policy of the machine sets."""


@attrs.frozen
class Entry:
    """All metadata and content of a file, except its inode number, atime and ctime."""

    type: str
    mode: int
    uid: int
    gid: int
    mtime: int
    """The modification time in nanoseconds."""
    size: int
    """Bytes; 0 for directories, whose size depends on the file system."""
    device: tuple[int, int]
    """The major and minor number of a device node."""
    content: str
    """The digest of a file's data, or the target of a symbolic link."""
    links: tuple[str, ...]
    """The paths of all hard links in the tree, if there are several."""
    xattrs: Mapping[str, bytes]


ROOT: Final = "."
"""The path of the root in a `Tree`."""

Tree = dict[str, Entry]
"""Entries by their path below the root, which itself is `.`."""


def read_tree(root: str | os.PathLike[str], *, ignore: Collection[str] = (), times: bool = True) -> Tree:
    """Read a directory tree.

    Args:
        root: The directory.
        ignore: Names in `root` to leave out.
        times: Read modification times; otherwise all are 0.
    """
    status = {path: os.lstat(os.path.join(root, path)) for path in _paths(os.fspath(root), ignore)}
    names: dict[tuple[int, int], list[str]] = {}
    for path, one in sorted(status.items()):
        if not stat.S_ISDIR(one.st_mode):
            names.setdefault((one.st_dev, one.st_ino), []).append(path)
    links = {path: tuple(paths) for paths in names.values() if len(paths) > 1 for path in paths}
    return {
        path: _entry(os.path.join(root, path), one, links.get(path, ()), times) for path, one in status.items()
    }


def differences(actual: Tree, expected: Tree) -> list[str]:
    """Describe the differences between two trees, one per line; none if they are equal."""
    lines = [f"{path!r}: missing" for path in expected.keys() - actual.keys()]
    lines += [f"{path!r}: unexpected" for path in actual.keys() - expected.keys()]
    for path in actual.keys() & expected.keys():
        for field in attrs.fields(Entry):
            found, wanted = getattr(actual[path], field.name), getattr(expected[path], field.name)
            if found != wanted:
                lines.append(f"{path!r}: {field.name} is {found!r}, expected {wanted!r}")
    return sorted(lines)


def _paths(root: str, ignore: Collection[str]) -> Iterator[str]:
    yield ROOT
    for directory, directories, files in os.walk(root, onerror=_fail):
        ignored = ignore if directory == root else ()
        directories[:] = [name for name in directories if name not in ignored]
        for name in directories + [name for name in files if name not in ignored]:
            yield os.path.relpath(os.path.join(directory, name), root)


def _fail(error: OSError) -> None:
    raise error


def _entry(path: str, status: os.stat_result, links: tuple[str, ...], times: bool) -> Entry:
    is_device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
    return Entry(
        type=_TYPES[stat.S_IFMT(status.st_mode)],
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime=status.st_mtime_ns if times else 0,
        size=0 if stat.S_ISDIR(status.st_mode) else status.st_size,
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
        content=_content(path, status.st_mode),
        links=links,
        xattrs=_xattrs(path),
    )


def _content(path: str, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    if not stat.S_ISREG(mode):
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _xattrs(path: str) -> dict[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names if name not in _MACHINE_XATTRS}
