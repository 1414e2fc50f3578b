"""The metadata of a host."""

from __future__ import annotations

from lamina.content import BlobLabels
from lamina.images import ImageStore, check_namespace
from lamina.metadata._contract import MetadataStore
from lamina.metadata._images import NamedImages, namespaces_in
from lamina.metadata._labels import StoredLabels
from lamina.store import Store, Table

_IMAGES = "images", 1
"""The owner and the version of the table of names."""
_CONTENT = "content", 1
"""The owner and the version of the table of labels."""


class Metadata(MetadataStore):
    """The names of images and the labels of blobs in tables of a store."""

    def __init__(self, images: Table, content: Table) -> None:
        """Use `open`."""
        self._images = images
        self._labels = StoredLabels(content)

    @classmethod
    def open(cls, store: Store) -> Metadata:
        """Return the metadata in a store, which stays the caller's.

        Raises:
            FailedPrecondition: A newer lamina wrote them.
        """
        return cls(store.table(*_IMAGES), store.table(*_CONTENT))

    @property
    def labels(self) -> BlobLabels:
        """The labels of blobs."""
        return self._labels

    def images(self, namespace: str) -> ImageStore:
        """Return the images of a namespace."""
        return NamedImages(self._images, check_namespace(namespace))

    def namespaces(self) -> list[str]:
        """Return the namespaces that have images."""
        return self._images.read(namespaces_in)
