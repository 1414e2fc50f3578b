"""Which other users could change what is below a directory."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final, Self

import attrs

_ROOT: Final = 0
_ALL_IDS: Final = (0, 0, 2**32 - 1)
"""The only line of uid_map outside any user namespace (user_namespaces(7))."""
_ACL: Final = "system.posix_acl_access"
"""The extended attribute with the access control list (acl(5)). Where there is one, the group bits of the mode are
its mask, and may let other users write than the group."""


@attrs.frozen
class Trust:
    """The users and groups that a process lets change what it works with."""

    users: frozenset[int]
    groups: frozenset[int]

    @classmethod
    def of_process(cls) -> Self:
        """Trust root and the process's user, and the groups in which there is nobody else.

        These are root's and the one that has the number of its user (user private groups, useradd(8)).
        """
        user, group = os.geteuid(), os.getegid()
        return cls(
            users=frozenset({_ROOT, user}),
            groups=frozenset({_ROOT, group}) if group == user else frozenset({_ROOT}),
        )

    def may_own_ancestor(self, user: int) -> bool:
        """Whether a user may own directories above the process's own.

        In a user namespace, the one that stands for everybody outside may, who owns `/` to begin with.
        """
        return user in self.users or user in _outside_users()  # a file is read for few: a start asks fifty times

    def with_owner(self, user: int, group: int) -> Self:
        """Trust one more user and one more group, of which -1 is the process's own, as in chown(2)."""
        return attrs.evolve(
            self,
            users=self.users | {os.geteuid() if user < 0 else user},
            groups=self.groups | {os.getegid() if group < 0 else group},
        )


@attrs.frozen
class Exposure:
    """A way for other users to change what is below a directory."""

    found: str
    """What was found: `/data belongs to user 1000`."""
    remedy: str
    """The command that puts it right."""
    by_mode: bool = False
    """Whether the owner may be trusted, and only the mode lets others write."""


def directory_exposure(directory: int, path: str, trust: Trust, *, shared: bool) -> Exposure | None:
    """Find how other users could change what is in a directory, or None where they cannot.

    Args:
        directory: Its descriptor, which may be one of O_PATH.
        path: Its path, to be shown.
        trust: Who may change it.
        shared: Whether others may write to it if each can rename and remove only what is his own (the sticky bit,
            inode(7)), as in `/tmp`. So may directories on the way to those that the process has for itself.
    """
    status = os.fstat(directory)
    if not (trust.may_own_ancestor(status.st_uid) if shared else status.st_uid in trust.users):
        return belongs_to(status, path)
    if shared and status.st_mode & stat.S_ISVTX:
        return None
    if status.st_mode & stat.S_IWOTH:
        return _writable(status, path, "every user", "o-w")
    if status.st_mode & stat.S_IWGRP and status.st_gid not in trust.groups:
        return _writable(status, path, f"group {status.st_gid}", "g-w")
    if status.st_mode & stat.S_IWGRP and _has_acl(directory):
        return _writable(status, path, "users that its access control list names", "g-w")
    return None


def file_exposure(status: os.stat_result, path: str, trust: Trust) -> Exposure | None:
    """Find why a file that the process keeps for itself is not its own, or None where it is.

    Args:
        status: Its status, as fstat(2) tells it.
        path: Its path, to be shown.
        trust: Who may own it.
    """
    if not stat.S_ISREG(status.st_mode):
        return Exposure(f"{path} is {_kind(status)}, and should be a regular file", f"mv {path} {path}.old")
    if status.st_uid not in trust.users:
        return belongs_to(status, path)
    if status.st_nlink > 1:
        found = f"{path} is a file that has {status.st_nlink - 1} more names: it may be another program's"
        return Exposure(found, f"find out which (find / -xdev -inum {status.st_ino}), and mv {path} {path}.old")
    return None


def content_exposure(status: os.stat_result, path: str, trust: Trust) -> Exposure | None:
    """Find how other users could change what is in a file, or None where they cannot.

    Args:
        status: Its status, as fstat(2) tells it.
        path: Its path, to be shown.
        trust: Who may change it.
    """
    if not trust.may_own_ancestor(status.st_uid):
        return belongs_to(status, path)
    if status.st_mode & stat.S_IWOTH:
        return _writable(status, path, "every user", "o-w")
    if status.st_mode & stat.S_IWGRP and status.st_gid not in trust.groups:
        return _writable(status, path, f"group {status.st_gid}", "g-w")
    return None


def belongs_to(status: os.stat_result, path: str) -> Exposure:
    """The exposure of what another user owns."""
    owner = os.geteuid() or "root"
    return Exposure(f"{path} belongs to user {status.st_uid}", f"chown {owner}: {path}")


def _writable(status: os.stat_result, path: str, by: str, change: str) -> Exposure:
    mode = f"mode {stat.S_IMODE(status.st_mode):04o}"
    return Exposure(f"{path} ({mode}) can be written to by {by}", f"chmod {change} {path}", by_mode=True)


def _kind(status: os.stat_result) -> str:
    names = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
    }
    return names.get(stat.S_IFMT(status.st_mode), "a device")


def _has_acl(directory: int) -> bool:
    try:
        os.getxattr(f"/proc/self/fd/{directory}", _ACL)  # fgetxattr(2) takes no descriptor of O_PATH
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return False
        raise
    return True


def _outside_users() -> frozenset[int]:
    """The user that those outside of the process's user namespace appear as; none where it has no such."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        if tuple(map(int, file.readline().split())) == _ALL_IDS:
            return frozenset()
    with open("/proc/sys/kernel/overflowuid", encoding="ascii") as file:
        return frozenset({int(file.read())})
