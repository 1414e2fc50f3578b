"""Check owners and modes: could another user change a file or a directory?"""

from __future__ import annotations

import os
import stat
from typing import Final, NamedTuple, Self

from lamina.fs._xattrs import read_xattr

_ROOT: Final = 0
_ALL_IDS: Final = (0, 0, 2**32 - 1)
"""The only line of uid_map in the initial user namespace (user_namespaces(7))."""
_ACL: Final = "system.posix_acl_access"
"""The extended attribute of the access control list (acl(5)). It turns the group bits of the mode into a mask,
which can let users outside the group write."""


class Trust(NamedTuple):
    """The users and groups that may change the files that a process relies on."""

    users: frozenset[int]
    groups: frozenset[int]

    @classmethod
    def of_process(cls) -> Self:
        """Trust root, the process's user, root's group and the user's private group.

        A user private group has the same number as its user (useradd(8)).
        """
        user, group = os.geteuid(), os.getegid()
        return cls(
            users=frozenset({_ROOT, user}),
            groups=frozenset({_ROOT, group}) if group == user else frozenset({_ROOT}),
        )

    def may_own_ancestor(self, user: int) -> bool:
        """Return whether a user may own ancestors of a secure directory.

        In a user namespace the overflow user may, because unmapped users appear as it, such as the owner of `/`.
        """
        return user in self.users or user in _overflow_users()  # in this order: it reads files

    def with_owner(self, user: int, group: int) -> Self:
        """Return a copy that also trusts a user and a group; -1 means the process's own."""
        return self._replace(
            users=self.users | {os.geteuid() if user < 0 else user},
            groups=self.groups | {os.getegid() if group < 0 else group},
        )


class Exposure(NamedTuple):
    """A way for another user to change a file or directory (CWE-668, exposure of resource to wrong sphere)."""

    found: str
    """The fact: `/data belongs to user 1000`."""
    remedy: str
    """The command that fixes it."""
    by_mode: bool = False
    """True if changing the mode fixes it: the owner is trusted."""


def directory_exposure(directory: int, path: str, trust: Trust, *, shared: bool) -> Exposure | None:
    """Return how other users could change the entries of a directory; None if they cannot.

    Args:
        directory: A descriptor, which may be O_PATH.
        path: The path for the message.
        trust: The users and groups that may change the directory.
        shared: Accept a sticky directory that others can write to, such as `/tmp`: they can rename and remove only
            their own entries (inode(7)). Ancestors of a secure directory may be like this.
    """
    status = os.fstat(directory)
    if not (trust.may_own_ancestor(status.st_uid) if shared else status.st_uid in trust.users):
        return belongs_to(status, path)
    if shared and status.st_mode & stat.S_ISVTX:
        return None
    exposure = _mode_exposure(status, path, trust)
    path_to = f"/proc/self/fd/{directory}"  # fgetxattr(2) takes no descriptor of O_PATH
    if exposure is None and status.st_mode & stat.S_IWGRP and read_xattr(path_to, _ACL) is not None:
        return _writable(status, path, "users that its access control list names", "g-w")
    return exposure


def file_exposure(status: os.stat_result, path: str, trust: Trust) -> Exposure | None:
    """Return why a file is not secure; None if it is regular, has one link and a trusted owner.

    Args:
        status: The status of the file.
        path: The path for the message.
        trust: The users that may own the file.
    """
    if not stat.S_ISREG(status.st_mode):
        return Exposure(f"{path} is {_kind(status)}, not a regular file", f"mv {path} {path}.old")
    if status.st_uid not in trust.users:
        return belongs_to(status, path)
    if status.st_nlink > 1:
        found = f"{path} has {status.st_nlink - 1} more hard links, and may belong to another program"
        return Exposure(found, f"find them (find / -xdev -inum {status.st_ino}), then mv {path} {path}.old")
    return None


def content_exposure(status: os.stat_result, path: str, trust: Trust) -> Exposure | None:
    """Return how other users could change the content of a file; None if they cannot.

    Args:
        status: The status of the file.
        path: The path for the message.
        trust: The users and groups that may change the file.
    """
    if not trust.may_own_ancestor(status.st_uid):
        return belongs_to(status, path)
    return _mode_exposure(status, path, trust)


def belongs_to(status: os.stat_result, path: str) -> Exposure:
    """Return the exposure of a path that an untrusted user owns."""
    owner = os.geteuid() or "root"
    return Exposure(f"{path} belongs to user {status.st_uid}", f"chown {owner}: {path}")


def _mode_exposure(status: os.stat_result, path: str, trust: Trust) -> Exposure | None:
    if status.st_mode & stat.S_IWOTH:
        return _writable(status, path, "every user", "o-w")
    if status.st_mode & stat.S_IWGRP and status.st_gid not in trust.groups:
        return _writable(status, path, f"group {status.st_gid}", "g-w")
    return None


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


def in_user_namespace() -> bool:
    """Return whether this process runs in a user namespace other than the initial one."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return tuple(map(int, file.readline().split())) != _ALL_IDS


def _overflow_users() -> frozenset[int]:
    """Return the user that unmapped users appear as in a user namespace; none in the initial one."""
    if not in_user_namespace():
        return frozenset()
    with open("/proc/sys/kernel/overflowuid", encoding="ascii") as file:
        return frozenset({int(file.read())})
