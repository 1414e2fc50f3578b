"""The abstract `MetadataStore`."""

from __future__ import annotations

import abc

from lamina.content import BlobLabels
from lamina.images import ImageStore


class MetadataStore(abc.ABC):
    """Keeps the names of images and the labels of blobs. Every method may be called from any thread."""

    @property
    @abc.abstractmethod
    def labels(self) -> BlobLabels:
        """The labels of blobs, which all namespaces share."""

    @abc.abstractmethod
    def images(self, namespace: str) -> ImageStore:
        """Return the images of a namespace, which need not have any.

        Raises:
            InvalidArgument: The namespace is malformed (`lamina.images.check_namespace`).
        """

    @abc.abstractmethod
    def namespaces(self) -> list[str]:
        """Return the namespaces that have images, in alphabetical order."""
