"""The snapshotters in which a collection finds what refers to blobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lamina.errdefs import Unavailable
from lamina.plugin import Plugin, PluginType, Status
from lamina.snapshots import Snapshotter


def snapshotters(plugins: Iterable[Plugin]) -> Iterator[tuple[str, Snapshotter]]:
    """Yield the snapshotters of a host with their ids, without those that do not apply to this machine.

    Args:
        plugins: The records of all plugins.

    Raises:
        Unavailable: One does not work, so that nobody knows which blobs its snapshots need. Raised at the end.
    """
    found = [plugin for plugin in plugins if plugin.type == PluginType.SNAPSHOTTER]
    yield from ((plugin.id, plugin.instance) for plugin in found if plugin.status is Status.OK)
    for plugin in found:
        if plugin.status not in (Status.OK, Status.SKIPPED):
            raise Unavailable(f"snapshotter {plugin.id} does not work: {plugin.problem}")
