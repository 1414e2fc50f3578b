"""Releases of containerd, and what each reads of `[proxy_plugins]`."""

from __future__ import annotations

import re
from typing import Final, Self

import attrs

from lamina.errdefs import InvalidArgument

_VERSION: Final = re.compile(r"v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:[-+~].*)?", re.ASCII)


@attrs.frozen(order=True)
class Release:
    """A release of containerd."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a version as containerd and its packagers write it: `1.6`, `1.6.20~ds1`, `v2.0.0-rc.1`.

        One without a patch number is the first of its line: what that reads, every one of them reads.

        Raises:
            InvalidArgument: It is no version, or of a containerd that cannot have lamina's snapshotters.
        """
        match = _VERSION.fullmatch(text.strip())
        if match is None:
            raise InvalidArgument(f"{text!r} is no version of containerd: expected one such as 1.6, 1.7.23 or 2.1")
        release = cls(*(int(number or 0) for number in match.groups()))
        if release < _FIRST:
            raise InvalidArgument(f"containerd {release} has no proxy plugins: they came with {_FIRST}")
        if cls(1, 8) <= release < cls(2, 0):
            raise InvalidArgument(f"there is no containerd {release}: after 1.7 came 2.0")
        if release >= cls(3, 0):
            raise InvalidArgument(f"containerd {release}: what it reads is not known, only that of 1.2 to 2.x")
        return release

    def reads(self, key: str) -> bool:
        """Whether it reads a key of a proxy plugin's table. It passes over those that it does not."""
        *backported, first = since(key)
        return self >= first or any(self >= one and self.minor == one.minor for one in backported)

    def knows(self, capability: str) -> bool:
        """Whether it can do what it begins with a snapshotter that has a capability."""
        return self >= _CAPABILITIES.get(capability, _FIRST)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


_FIRST: Final = Release(1, 2)
NEWEST: Final = Release(2, 3)
"""The newest whose form is known. What 2.x reads has been the same since 2.0."""
TRANSFER: Final = Release(2, 0)
"""The first whose `ctr images` has containerd's transfer service unpack. From 2.1 on the CRI does so too."""
UNPACK_CONFIG: Final = 'plugins."io.containerd.transfer.v1.local".unpack_config'
"""The array of tables that says which snapshotters the transfer service may unpack with."""
DEFAULT: Final = "overlayfs"
"""The only one in it where the configuration has none."""

_SINCE: Final = {
    "platform": (Release(1, 6, 32), Release(1, 7, 16)),
    "exports": (Release(1, 6, 32), Release(1, 7, 16)),
    "capabilities": (Release(1, 7, 23),),
}
"""From containerd's release notes. 1.6.32 is a backport, 1.7.0 came before it."""

_CAPABILITIES: Final = {"remap-ids": Release(2, 0), "only-remap-ids": Release(2, 0)}
"""Which releases may be told of a capability: 1.7 cannot make a mount that maps ids. All others all may be."""

OWN_SNAPSHOTTERS: Final = frozenset(
    {"aufs", "blockfile", "btrfs", "devmapper", "erofs", "native", "overlayfs", "windows", "windows-lcow", "zfs"}
)
"""Ids of snapshotters that releases of containerd have themselves: a proxy plugin of that name ends containerd."""


def since(key: str) -> tuple[Release, ...]:
    """Which releases were the first of their lines to read a key; `type` and `address` all of them do."""
    return _SINCE.get(key, (_FIRST,))
