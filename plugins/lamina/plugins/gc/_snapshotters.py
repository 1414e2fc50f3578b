"""The snapshotters whose labels refer to blobs, for a collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lamina.errdefs import Unavailable
from lamina.images import namespace_of
from lamina.plugin import Plugin, PluginType, Status
from lamina.snapshots import Info, Snapshotter

if TYPE_CHECKING:
    from lamina.snapshots.storage import MetaStore


def snapshotters(plugins: Iterable[Plugin]) -> Iterator[tuple[str, Snapshotter]]:
    """Yield the snapshotters of a host with their ids.

    Raises:
        Unavailable: One does not work, so that the blobs its snapshots need are unknown. Raised at the end.
    """
    found = [plugin for plugin in plugins if plugin.type == PluginType.SNAPSHOTTER]
    yield from ((plugin.id, plugin.instance) for plugin in found if plugin.status is Status.OK)
    for plugin in found:
        if plugin.status not in (Status.OK, Status.SKIPPED):
            raise Unavailable(f"snapshotter {plugin.id} does not work: {plugin.problem}")


def unused_snapshots(plugins: Iterable[Plugin], metastore: MetaStore) -> Iterator[tuple[str, str, Info]]:
    """Yield the snapshots of images that are in the metastore, but in no snapshotter that works.

    Their snapshotter may be disabled, or not apply to this machine now.

    Yields:
        The id of the snapshotter, the namespace, and the snapshot.
    """
    working = [
        plugin.id for plugin in plugins if plugin.type == PluginType.SNAPSHOTTER and plugin.status is Status.OK
    ]
    for name, keyspace, info in metastore.infos(*working):
        if namespace := namespace_of(keyspace):
            yield name, namespace, info


def namespaces(metastore: MetaStore) -> set[str]:
    """Return the namespaces whose images have or had snapshots."""
    return {namespace for _, keyspace in metastore.keyspaces() if (namespace := namespace_of(keyspace))}
