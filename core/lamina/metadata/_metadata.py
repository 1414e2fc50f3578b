"""The metadata of a host."""

from __future__ import annotations

from lamina.content import BlobLabels
from lamina.images import ImageStore, check_namespace
from lamina.metadata._images import NamedImages, namespaces_in
from lamina.metadata._labels import StoredLabels
from lamina.store import Store, Table

_IMAGES = "images", 1
"""The owner and the version of the table of names."""
_CONTENT = "content", 1
"""The owner and the version of the table of labels."""


class Metadata:
    """Names of images and labels of blobs, in tables of a store. Every method may be called from any thread."""

    def __init__(self, images: Table, content: Table) -> None:
        """Use `open`."""
        self._images = images
        self.labels: BlobLabels = StoredLabels(content)
        """The labels of blobs, which all namespaces share."""

    @classmethod
    def open(cls, store: Store) -> Metadata:
        """Return the metadata in a store, which stays the caller's.

        Raises:
            FailedPrecondition: A newer lamina wrote them.
        """
        return cls(store.table(*_IMAGES), store.table(*_CONTENT))

    def images(self, namespace: str) -> ImageStore:
        """Return the images of a namespace, which need not have any.

        Raises:
            InvalidArgument: The namespace is malformed (`lamina.images.check_namespace`).
        """
        return NamedImages(self._images, check_namespace(namespace))

    def namespaces(self) -> list[str]:
        """Return the namespaces that have images, in alphabetical order."""
        return self._images.read(namespaces_in)
