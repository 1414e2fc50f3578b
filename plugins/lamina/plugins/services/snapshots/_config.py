"""The configuration of the snapshots service: the names under which clients find snapshotters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import attrs

_DEFAULT_ALIASES: Final = {"lamina": "overlayfs"}


@attrs.frozen
class SnapshotsConfig:
    """The names under which clients find snapshotters."""

    aliases: dict[str, str] = attrs.field(factory=_DEFAULT_ALIASES.copy)
    """Additional names of snapshotters, each with a keyspace of its own, invisible to clients of other names."""

    def aliases_beside(self, ids: Collection[str]) -> dict[str, str]:
        """Return the aliases, without the default alias if it is unchanged and a snapshotter has that id."""
        if self.aliases != _DEFAULT_ALIASES:
            return self.aliases
        return {alias: target for alias, target in self.aliases.items() if alias not in ids}

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """Return the snapshotter id behind each name that clients may use, given the ids of all snapshotters."""
        return {**with_own_names(ids, self.aliases_beside(ids)), **{id_: id_ for id_ in ids}}


def with_own_names(ids: Collection[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Return the aliases, and for each snapshotter `lamina-<id>`, unless an alias already has that name."""
    return {**{f"lamina-{id_}": id_ for id_ in ids}, **aliases}
