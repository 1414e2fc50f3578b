"""Remove images, blobs and snapshots that nothing needs, and say what keeps the others, by containerd's rules.

Images, leases, and blobs and snapshots with a label `containerd.io/gc.root` are roots. A collector keeps all that
references lead to from there, and removes the rest::

    collector = Collector(metadata, content, lambda: [("overlayfs", snapshotter)])
    for removed in collector.collect():
        print(removed.kind, removed.name, removed.reason)

Only snapshots in the keyspaces of images are collected (`lamina.images.keyspace_of`). Other calls continue while a
collection runs.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.metadata.collection._collector import Collector
    from lamina.metadata.collection._contract import GarbageCollector
    from lamina.metadata.collection._expiry import expiry
    from lamina.metadata.collection._records import Chain, ImageUsage, Kind, Removed, Step, Usage

__all__ = ["Chain", "Collector", "GarbageCollector", "ImageUsage", "Kind", "Removed", "Step", "Usage", "expiry"]

__getattr__ = lazy_exports(
    __name__,
    {
        "_collector": "Collector",
        "_contract": "GarbageCollector",
        "_expiry": "expiry",
        "_records": "Chain ImageUsage Kind Removed Step Usage",
    },
)
