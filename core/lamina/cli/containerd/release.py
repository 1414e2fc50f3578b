"""Releases of containerd and the `[proxy_plugins]` keys that each reads."""

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
        """Parse a version as containerd and distributions write it: `1.6`, `1.6.20~ds1`, `v2.0.0-rc.1`.

        A version without a patch number stands for the first release of its line.

        Raises:
            InvalidArgument: The text is not a version, or that release cannot use lamina's snapshotters.
        """
        match = _VERSION.fullmatch(text.strip())
        if match is None:
            raise InvalidArgument(
                f"{text!r} is not a version of containerd: expected one such as 1.6, 1.7.23 or 2.1"
            )
        release = cls(*(int(number or 0) for number in match.groups()))
        if release < _FIRST:
            raise InvalidArgument(f"containerd {release} has no proxy plugins: they were added in {_FIRST}")
        if cls(1, 8) <= release < cls(2, 0):
            raise InvalidArgument(f"there is no containerd {release}: 2.0 followed 1.7")
        if release >= cls(3, 0):
            raise InvalidArgument(
                f"containerd {release} is not supported: the formats known are those of 1.2 to 2.x"
            )
        return release

    def reads(self, key: str) -> bool:
        """Return whether the release reads a key of a proxy plugin's table. It ignores keys it does not read."""
        *backported, first = since(key)
        return self >= first or any(self >= one and self.minor == one.minor for one in backported)

    def knows(self, capability: str) -> bool:
        """Return whether the release can use a snapshotter with a capability."""
        return self >= _CAPABILITIES.get(capability, _FIRST)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


_FIRST: Final = Release(1, 2)
NEWEST: Final = Release(2, 3)
"""The newest release whose format is known. The format has not changed since 2.0."""
TRANSFER: Final = Release(2, 0)
"""The first release whose `ctr images` unpacks with the transfer service; the CRI plugin does since 2.1."""
UNPACK_CONFIG: Final = 'plugins."io.containerd.transfer.v1.local".unpack_config'
"""The array of tables that lists the snapshotters for the transfer service."""
DEFAULT: Final = "overlayfs"
"""Its only element if the configuration has none."""

_SINCE: Final = {
    "platform": (Release(1, 6, 32), Release(1, 7, 16)),
    "exports": (Release(1, 6, 32), Release(1, 7, 16)),
    "capabilities": (Release(1, 7, 23),),
}
"""From containerd's release notes. 1.6.32 is a backport, released after 1.7.0."""

_CAPABILITIES: Final = {"remap-ids": Release(2, 0), "only-remap-ids": Release(2, 0)}
"""The first release that may see a capability: 1.7 cannot make id-mapped mounts. Unlisted capabilities are safe
for all."""

OWN_SNAPSHOTTERS: Final = frozenset(
    {"aufs", "blockfile", "btrfs", "devmapper", "erofs", "native", "overlayfs", "windows", "windows-lcow", "zfs"}
)
"""Ids of containerd's built-in snapshotters: containerd does not start with a proxy plugin of the same name."""


def since(key: str) -> tuple[Release, ...]:
    """Return the first release of each line that reads a key. All releases read `type` and `address`."""
    return _SINCE.get(key, (_FIRST,))
