"""Records of snapshotters, as a host has them."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.plugin import Plugin, PluginType, Status
from lamina.plugins.services.snapshots._names import Snapshotters
from lamina.snapshots import Snapshotter


def working(id_: str, snapshotter: Snapshotter) -> Plugin:
    """The record of one that works."""
    return Plugin(type=PluginType.SNAPSHOTTER, id=id_, instance=snapshotter)


def broken(id_: str, status: Status, error: BaseException, *, retrying: bool = False) -> Plugin:
    """The record of one that does not."""
    return Plugin(type=PluginType.SNAPSHOTTER, id=id_, status=status, error=error, retrying=retrying)


def snapshotters_of(snapshotters: Mapping[str, Snapshotter], *others: Plugin) -> Snapshotters:
    """The snapshotters of a host: those that work by id, and others."""
    plugins = (*(working(id_, one) for id_, one in snapshotters.items()), *others)
    return Snapshotters(lambda: plugins)
