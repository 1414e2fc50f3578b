"""`[proxy_plugins.<name>]`: the table that makes containerd use a snapshotter of a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from lamina.cli.containerd.release import NEWEST, Release


@attrs.frozen
class Stanza:
    """What containerd is told of a snapshotter."""

    name: str
    """The name that containerd asks for, and its keyspace."""
    address: str
    """Absolute path of the host's socket."""
    platform: str = ""
    """For which platform it is; empty: that of the machine."""
    capabilities: tuple[str, ...] = ()
    exports: Mapping[str, str] = attrs.field(factory=dict)

    def table(self, release: Release = NEWEST) -> dict[str, Any]:
        """What stands in the table: what that containerd reads, without what is empty."""
        optional = {
            "platform": self.platform,
            "capabilities": list(filter(release.knows, self.capabilities)),
            "exports": dict(self.exports),
        }
        return {
            "type": "snapshot",
            "address": self.address,
            **{key: value for key, value in optional.items() if value and release.reads(key)},
        }

    def lines(self, release: Release = NEWEST) -> list[str]:
        """The table as TOML."""
        import tomli_w

        # Not splitlines(), which splits at more characters than TOML escapes.
        return tomli_w.dumps({"proxy_plugins": {self.name: self.table(release)}}).rstrip("\n").split("\n")
