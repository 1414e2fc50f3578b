"""The abstract `Transfer`, and what it returns."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence

import attrs

from lamina.content import Descriptor
from lamina.images._progress import Report
from lamina.images._store import Image


@attrs.frozen
class Unpacked:
    """The snapshot of an image."""

    image: str
    """The name of the image."""
    snapshotter: str
    """By this name, the snapshots service of a host finds the snapshot: `overlayfs/images/default`."""
    chain_id: str
    """The name of the snapshot."""


@attrs.frozen
class Imported:
    """The result of an import."""

    images: tuple[Image, ...]
    unpacked: tuple[Unpacked, ...] = ()


@attrs.frozen
class Resolved:
    """The parts of an image for one platform."""

    image: Image
    platform: str
    """Such as `linux/amd64`."""
    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    """From the lowest up."""
    diff_ids: tuple[str, ...]
    """The digests of the uncompressed layers."""
    chain_id: str
    """The name of the snapshot of all layers."""


@attrs.frozen
class Verified:
    """A blob that was read again."""

    digest: str
    size: int
    """Bytes."""
    problem: str = ""
    """The damage; "" if the blob is intact."""


class Transfer(abc.ABC):
    """Does slow work on the images of the current call's namespace. Every method may be called from any thread.

    Work stops when its call ends (`lamina.context.current`); repeated, it goes on where it stopped.
    """

    @abc.abstractmethod
    def import_(
        self,
        path: str,
        *,
        names: Sequence[str] = (),
        platform: str = "",
        all_platforms: bool = False,
        unpack: bool = True,
        snapshotter: str = "",
        progress: Report | None = None,
    ) -> Imported:
        """Import the images of an OCI layout, an OCI archive or an archive of `docker save`.

        Args:
            path: The layout's directory or the archive, on the host.
            names: Names of the images, in place of those that the archive gives.
            platform: Which of an image's manifests to import, such as `linux/arm64`; "" means the host's platform.
            all_platforms: Import the manifests of all platforms, and unpack the one of `platform`.
            unpack: Whether to unpack the images.
            snapshotter: The id of the snapshotter to unpack with; "" for the default one.
            progress: Gets the progress.

        Raises:
            NotFound: There is no such file, no image in it, or none for the platform.
            InvalidArgument: The archive is malformed, or differs from what it says about itself.
            ResourceExhausted: The disk is full.
        """

    @abc.abstractmethod
    def unpack(
        self, name: str, *, platform: str = "", snapshotter: str = "", progress: Report | None = None
    ) -> Unpacked:
        """Make the snapshots of an image's layers; those that are there already are not read.

        Args:
            name: The image, in any form that `lamina.images.references.normalize` takes.
            platform: As for `import_`.
            snapshotter: As for `import_`.
            progress: As for `import_`.

        Raises:
            NotFound: There is no such image, or none for the platform; or a blob is missing.
            InvalidArgument: A layer is malformed, or differs from its digests.
            ResourceExhausted: The disk is full.
        """

    @abc.abstractmethod
    def resolve(self, name: str, *, platform: str = "") -> Resolved:
        """Return what an image consists of.

        Args:
            name: As for `unpack`.
            platform: As for `import_`.

        Raises:
            NotFound: There is no such image, or none for the platform; or a document is missing.
        """

    @abc.abstractmethod
    def verify(self, *digests: str) -> Iterator[Verified]:
        """Read blobs again, and yield whether each has its digest.

        Args:
            digests: The blobs; without any, all of the content store.

        Raises:
            NotFound: There is no such blob.
        """
