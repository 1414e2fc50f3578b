"""The snapshotters in which a collection finds what refers to blobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from lamina.errdefs import Unavailable
from lamina.images import namespace_of
from lamina.plugin import Plugin, PluginType, Status
from lamina.snapshots import Snapshotter

if TYPE_CHECKING:
    from lamina.snapshots.storage import MetaStore

_REFERENCES: Final = "containerd.io/gc.ref."
"""The beginning of labels that keep other things."""


def snapshotters(plugins: Iterable[Plugin], metastore: MetaStore) -> Iterator[tuple[str, Snapshotter]]:
    """Yield the snapshotters of a host with their ids.

    Args:
        plugins: The records of all plugins.
        metastore: The metastore of the host.

    Raises:
        Unavailable: One does not work, so that nobody knows which blobs its snapshots need; or one that is not
            used, since it is disabled or does not apply to this machine now, has snapshots that need blobs. Raised
            at the end.
    """
    found = [plugin for plugin in plugins if plugin.type == PluginType.SNAPSHOTTER]
    working = {plugin.id: plugin.instance for plugin in found if plugin.status is Status.OK}
    yield from working.items()
    for plugin in found:
        if plugin.status not in (Status.OK, Status.SKIPPED):
            raise Unavailable(f"snapshotter {plugin.id} does not work: {plugin.problem}")
    for name, keyspace, info in metastore.infos(*working):
        if namespace_of(keyspace) and any(label.startswith(_REFERENCES) for label in info.labels):
            raise Unavailable(
                f"snapshotter {name} is not used at present, and its snapshot {info.name!r} in {keyspace} refers "
                "to blobs: enable the snapshotter, and remove the snapshot if nobody needs it"
            )


def namespaces(metastore: MetaStore) -> set[str]:
    """Return the namespaces whose images have or had snapshots."""
    return {namespace for _, keyspace in metastore.keyspaces() if (namespace := namespace_of(keyspace))}
