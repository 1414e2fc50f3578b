"""The metadata of images and blobs in tables of a store: names of images, leases, and labels of blobs.

Names are kept in containerd's namespaces, which appear with their first image or lease::

    store = Store.open("/var/lib/example")
    metadata = Metadata.open(store)
    metadata.images("default").create(Image("docker.io/library/debian:12", target))
    content = LocalContentStore("/var/lib/example/content", metadata.labels)

A lease keeps what nothing refers to yet from being collected (`lamina.metadata.collection`): a durable one, which
clients create, or the temporary one of an operation::

    with metadata.temporary_lease("default") as lease:
        lease.add_blob(digest)
        ...
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.metadata._contract import LeaseStore, MetadataStore
    from lamina.metadata._images import NAME_LIMIT
    from lamina.metadata._metadata import Metadata
    from lamina.metadata._resources import Lease, Resource

__all__ = [
    "NAME_LIMIT",
    "Lease",
    "LeaseStore",
    "Metadata",
    "MetadataStore",
    "Resource",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_contract": "LeaseStore MetadataStore",
        "_images": "NAME_LIMIT",
        "_resources": "Lease Resource",
        "_metadata": "Metadata",
    },
)
