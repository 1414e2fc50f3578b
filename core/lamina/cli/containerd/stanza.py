"""`[proxy_plugins.<name>]`: the table that makes containerd use a snapshotter of a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from lamina.cli.containerd.release import NEWEST, Release


@attrs.frozen
class Stanza:
    """A proxy plugin in containerd's configuration."""

    name: str
    """The name by which containerd uses the snapshotter, which is also its keyspace."""
    address: str
    """Absolute path of the host's socket."""
    platform: str = ""
    """The platform; empty: that of the machine."""
    capabilities: tuple[str, ...] = ()
    exports: Mapping[str, str] = attrs.field(factory=dict)

    def table(self, release: Release = NEWEST) -> dict[str, Any]:
        """Return the table with the keys that a release reads, without empty ones."""
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
        """Return the table as lines of TOML."""
        import tomli_w

        # splitlines() would also split at characters that TOML does not escape.
        return tomli_w.dumps({"proxy_plugins": {self.name: self.table(release)}}).rstrip("\n").split("\n")
