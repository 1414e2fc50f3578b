"""Images on their way into the content store."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping

from lamina.content import Descriptor
from lamina.images._blobs import ImageBlobs
from lamina.images._store import Image, ImageStore


class Incoming(abc.ABC):
    """Images of an archive or a registry: their names, and the blobs that they need."""

    targets: Mapping[str, Descriptor]
    """Full names, and the manifests or indexes that they will stand for."""
    blobs: ImageBlobs
    """The blobs to fetch."""
    all_platforms: bool
    """True if the manifests of all platforms are wanted; the one to unpack may be missing."""
    is_remote = False
    """True if the blobs come over a network: layers that the snapshotter can do without are not fetched."""

    @abc.abstractmethod
    def read(self, descriptor: Descriptor) -> bytes:
        """Return a document of an image, before its blob is stored; as `lamina.images.selection.Read`."""

    @abc.abstractmethod
    def fetch(self, stored: Callable[[str], object] | None = None) -> None:
        """Store the blobs, verified. Repeated, it continues where it stopped.

        Args:
            stored: Called with the digest of each blob when it is stored; None: not called.

        Raises:
            FailedPrecondition: A blob has another digest.
            ResourceExhausted: The disk is full.
            Canceled, DeadlineExceeded: The current call ended.
        """

    def name(self, images: ImageStore) -> list[Image]:
        """Name the images, whose blobs are stored. A name that exists stands for the new image afterwards."""
        return [images.put(Image(name, target)) for name, target in self.targets.items()]
