"""Random changes to a tree, which never leave it."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
from hypothesis import strategies as st

from lamina.fs import open_beneath, opened, remove_tree


@attrs.frozen
class Place:
    """An existing path by its number, or a name in an existing directory by its number."""

    number: int
    name: bytes = b""


_NOFOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_MODES = st.sampled_from([0o644, 0o600, 0o755, 0o4711, 0o1777, 0o2750])
_TIMES = st.sampled_from([0, 1, 10**18, 10**18 + 1, -1, -1_500_000_000])
_DATA = st.sampled_from([b"", b"1", b"2", b"22", b"x" * 5000])
_NAMES = st.sampled_from([b"a", b"b", b"c", b"a!", b"a0", b"\xff\n", b".wh", b"long" * 30])
_OLD = st.integers(0, 50).map(Place)
_NEW = st.builds(Place, st.integers(0, 10), _NAMES)
_ANY = _OLD | _NEW
_OWNERS = st.sampled_from([0, 1, 3_000_000])
_ACL = struct.pack(
    "<I" + 5 * "HHI", 2, 1, 6, 0xFFFFFFFF, 2, 4, 5, 4, 4, 0xFFFFFFFF, 16, 4, 0xFFFFFFFF, 32, 4, 0xFFFFFFFF
)
"""An access control list with an entry for user 5 (linux/posix_acl_xattr.h)."""
_CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
"""A file capability, CAP_NET_BIND_SERVICE (linux/capability.h, VFS_CAP_REVISION_2)."""
_XATTRS = st.sampled_from(
    [
        ("user.a", b"1"),
        ("user.a", b"2"),
        ("user.a", b"\0\n"),
        ("trusted.b", b"1"),
        ("security.capability", _CAPABILITY),
        ("system.posix_acl_access", _ACL),
        ("system.posix_acl_default", _ACL),
    ]
)


class Change:
    """A change to a tree."""

    def apply(self, root: int) -> None:
        """Make it in the tree below a descriptor."""
        raise NotImplementedError


@contextmanager
def _parent(root: int, place: Place) -> Iterator[tuple[int, bytes]]:
    """The descriptor of the directory that a place is in, and its name there."""
    paths = sorted(_paths(root, b""))
    if place.name:
        directories = [b"", *(path for path, is_directory in paths if is_directory)]
        directory, name = directories[place.number % len(directories)], place.name
    elif paths:
        directory, _, name = paths[place.number % len(paths)][0].rpartition(b"/")
    else:
        raise FileNotFoundError
    fd = open_beneath(directory or b".", os.O_RDONLY | os.O_DIRECTORY | _NOFOLLOW, dir_fd=root)
    try:
        yield fd, name
    finally:
        os.close(fd)


def _paths(root: int, path: bytes) -> Iterator[tuple[bytes, bool]]:
    """The paths below one, and whether they are directories."""
    with os.scandir(_at(root, path)) as entries:
        for entry in entries:
            below = path + b"/" + entry.name if path else entry.name
            is_directory = entry.is_dir(follow_symlinks=False)
            yield below, is_directory
            if is_directory:
                yield from _paths(root, below)


def _at(fd: int, name: bytes) -> bytes:
    return b"/proc/self/fd/%d/%s" % (fd, name)


@attrs.frozen
class Write(Change):
    """Writes a file in place, or replaces it by another."""

    path: Place
    data: bytes
    mode: int
    uid: int
    mtime: int
    in_place: bool

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | _NOFOLLOW
            target = name if self.in_place else b"temporary"
            with opened(target, flags, 0o644, dir_fd=fd) as file:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    return
                os.write(file, self.data)
                os.fchown(file, self.uid, -1)
                os.fchmod(file, self.mode)
                os.utime(file, ns=(0, self.mtime))
            if not self.in_place:
                try:
                    os.rename(target, name, src_dir_fd=fd, dst_dir_fd=fd)
                except OSError:
                    os.unlink(target, dir_fd=fd)
                    raise


@attrs.frozen
class Make(Change):
    """Makes what is no regular file."""

    path: Place
    type: str
    detail: int
    mode: int
    mtime: int

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            if self.type == "directory":
                os.mkdir(name, dir_fd=fd)
                os.chmod(name, self.mode, dir_fd=fd)
                return
            if self.type == "link":
                os.symlink(b"target%d" % self.detail, name, dir_fd=fd)
            elif self.type == "socket":
                with socket.socket(socket.AF_UNIX) as bound:
                    bound.bind(_at(fd, name))
            else:
                kind = {"fifo": stat.S_IFIFO, "char": stat.S_IFCHR, "block": stat.S_IFBLK}[self.type]
                os.mknod(name, kind | 0o600, os.makedev(self.detail + 1, 3), dir_fd=fd)
            os.utime(name, ns=(0, self.mtime), dir_fd=fd, follow_symlinks=False)


@attrs.frozen
class Rename(Change):
    path: Place
    to: Place

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name), _parent(root, self.to) as (other, new):
            os.rename(name, new, src_dir_fd=fd, dst_dir_fd=other)


@attrs.frozen
class Exchange(Change):
    """Renames two to one another's names."""

    path: Place
    to: Place

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name), _parent(root, self.to) as (other, new):
            os.rename(name, b"temporary", src_dir_fd=fd, dst_dir_fd=fd)
            try:
                os.rename(new, name, src_dir_fd=other, dst_dir_fd=fd)
                os.rename(b"temporary", new, src_dir_fd=fd, dst_dir_fd=other)
            except OSError:
                os.rename(b"temporary", name, src_dir_fd=fd, dst_dir_fd=fd)
                raise


@attrs.frozen
class ThereAndBack(Change):
    path: Place

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            os.rename(name, b"temporary", src_dir_fd=fd, dst_dir_fd=fd)
            os.rename(b"temporary", name, src_dir_fd=fd, dst_dir_fd=fd)


@attrs.frozen
class Link(Change):
    path: Place
    to: Place

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name), _parent(root, self.to) as (other, new):
            os.link(name, new, src_dir_fd=fd, dst_dir_fd=other, follow_symlinks=False)


@attrs.frozen
class Remove(Change):
    path: Place

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            try:
                os.unlink(name, dir_fd=fd)
            except IsADirectoryError:
                remove_tree(os.fsdecode(_at(fd, name)))


@attrs.frozen
class Renew(Change):
    """Removes a directory, and makes it again."""

    path: Place
    mode: int

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                remove_tree(os.fsdecode(_at(fd, name)))
                os.mkdir(name, dir_fd=fd)
                os.chmod(name, self.mode, dir_fd=fd)


@attrs.frozen
class Touch(Change):
    """Writes what is there already: owner, content and time."""

    path: Place

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            xattrs = {key: os.getxattr(_at(fd, name), key, follow_symlinks=False) for key in _listed(fd, name)}
            os.chown(name, status.st_uid, status.st_gid, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                with opened(name, os.O_RDWR | _NOFOLLOW, dir_fd=fd) as file:
                    data = os.read(file, status.st_size)
                    os.pwrite(file, data, 0)
                    os.fchmod(file, stat.S_IMODE(status.st_mode))
            for key, value in xattrs.items():
                os.setxattr(_at(fd, name), key, value, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                os.utime(name, ns=(0, status.st_mtime_ns), dir_fd=fd, follow_symlinks=False)


def _listed(fd: int, name: bytes) -> list[str]:
    return os.listxattr(_at(fd, name), follow_symlinks=False)


@attrs.frozen
class SetMode(Change):
    path: Place
    mode: int

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            if not stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                os.chmod(name, self.mode, dir_fd=fd)


@attrs.frozen
class SetRootMode(Change):
    mode: int

    def apply(self, root: int) -> None:
        os.chmod(f"/proc/self/fd/{root}", self.mode)


@attrs.frozen
class SetOwner(Change):
    path: Place
    gid: int

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            os.chown(name, -1, self.gid, dir_fd=fd, follow_symlinks=False)


@attrs.frozen
class SetXattr(Change):
    path: Place
    xattr: tuple[str, bytes]

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            os.setxattr(_at(fd, name), *self.xattr, follow_symlinks=False)


@attrs.frozen
class RemoveXattr(Change):
    path: Place
    xattr: tuple[str, bytes]

    def apply(self, root: int) -> None:
        with _parent(root, self.path) as (fd, name):
            os.removexattr(_at(fd, name), self.xattr[0], follow_symlinks=False)


_WRITE = st.builds(Write, _ANY, _DATA, _MODES, _OWNERS, _TIMES, st.booleans())
_DIRECTORY = st.builds(Make, _NEW, st.just("directory"), st.just(0), st.just(0o755), st.just(0))
_LINK = st.builds(Link, _OLD, _NEW)
CHANGE = st.one_of(
    _WRITE,
    st.builds(Write, _ANY, _DATA, st.just(0o644), st.just(0), st.just(0), st.booleans()),
    _DIRECTORY,
    st.builds(
        Make, _NEW, st.sampled_from(["link", "socket", "fifo", "char", "block"]), st.integers(0, 1), _MODES, _TIMES
    ),
    st.builds(Rename, _OLD, _ANY),
    st.builds(Exchange, _OLD, _OLD),
    st.builds(ThereAndBack, _OLD),
    _LINK,
    _LINK,
    st.builds(Remove, _OLD),
    st.builds(Renew, _OLD, st.sampled_from([0o755, 0o700])),
    st.builds(Touch, _OLD),
    st.builds(Touch, _OLD),
    st.builds(SetMode, _OLD, _MODES),
    st.builds(SetRootMode, _MODES),
    st.builds(SetOwner, _OLD, st.integers(0, 1)),
    st.builds(SetXattr, _OLD, _XATTRS),
    st.builds(RemoveXattr, _OLD, _XATTRS),
)
"""Any change."""
MAKING = st.one_of(_WRITE, _WRITE, _DIRECTORY, _LINK, CHANGE)
"""A change of which several make a tree."""


def apply(changes: Sequence[Change], root: Path) -> list[Change]:
    """Make changes; those that the tree does not allow are left out.

    Returns:
        The changes without those that only an overlay refuses: it cannot rename directories of a layer below.
    """
    possible = []
    with opened(root, os.O_RDONLY | os.O_DIRECTORY) as fd:
        for change in changes:
            try:
                change.apply(fd)
            except OSError as error:
                if error.errno == errno.EXDEV:
                    continue
            possible.append(change)
    return possible
