"""The abstract `Transfer`: slow operations on images, which a host performs for its clients."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.images._config_changes import ConfigChanges
    from lamina.images._progress import Report
    from lamina.images._results import (
        ArchiveFormat,
        Exported,
        Imported,
        LayerCompression,
        Pushed,
        Resolved,
        Unpacked,
        Verified,
    )
    from lamina.images._store import Image
    from lamina.registry import Access


class Transfer(abc.ABC):
    """Performs slow operations on the images of the current call's namespace. Any thread may call any method.

    An operation stops when its call ends (`lamina.context.current`); repeated, it continues where it stopped.
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
        discard_layers: bool = False,
        progress: Report | None = None,
    ) -> Imported:
        """Import the images of an OCI layout, an OCI archive or an archive of `docker save`.

        Args:
            path: The layout's directory or the archive, on the host.
            names: Names of the images, in place of those that the archive gives.
            platform: The platform whose manifest to import, such as `linux/arm64`; "" means the host's platform.
            all_platforms: Import the manifests of all platforms, and unpack the one of `platform`. An image that
                has none for it stays packed.
            unpack: Whether to unpack the images.
            snapshotter: The id of the snapshotter to unpack with; "" for the default one.
            discard_layers: Remove the blobs of layers that are unpacked, unless something else refers to them.
                The image cannot be pushed, exported or unpacked again then.
            progress: Gets the progress.

        Raises:
            NotFound: There is no such file, no image in it, or none for the platform.
            InvalidArgument: The archive is malformed, or contradicts itself.
            ResourceExhausted: The disk is full.
        """

    @abc.abstractmethod
    def pull(
        self,
        name: str,
        *,
        new_name: str = "",
        platform: str = "",
        all_platforms: bool = False,
        unpack: bool = True,
        snapshotter: str = "",
        discard_layers: bool = False,
        access: Access | None = None,
        progress: Report | None = None,
    ) -> Imported:
        """Fetch an image from a registry, and unpack its layers as they arrive.

        Blobs that are there are not fetched again, nor parts of others that an earlier attempt has fetched.

        Args:
            name: The image, by tag or digest, in any form that `lamina.images.references.parse` takes.
            new_name: Its name from now on; "" for the same.
            platform: As for `import_`.
            all_platforms: As for `import_`.
            unpack: Whether to unpack the image.
            snapshotter: As for `import_`.
            discard_layers: As for `import_`.
            access: The access to the registry; None: anonymous, with the certificates of the system.
            progress: Gets the progress.

        Raises:
            NotFound: There is no such image, or none for the platform.
            Unauthenticated, PermissionDenied: The registry wants other credentials.
            Unavailable: The registry cannot be reached, or failed again and again.
            DataLoss: A blob does not have its digest.
            InvalidArgument: A document or a layer is malformed, or a layer differs from its digests.
            ResourceExhausted: The disk is full, or the registry gets too many requests.
        """

    @abc.abstractmethod
    def push(
        self,
        name: str,
        *,
        to: str = "",
        platform: str = "",
        access: Access | None = None,
        progress: Report | None = None,
    ) -> Pushed:
        """Send an image to a registry, with all of its platforms that are there.

        Args:
            name: The image, in any form that `lamina.images.references.normalize` takes.
            to: Its name in the registry; "" for the same.
            platform: Send only the manifest for a platform, such as `linux/arm64`.
            access: As for `pull`.
            progress: Gets the progress.

        Raises:
            NotFound: There is no such image, or none for the platform.
            FailedPrecondition: Its layers were discarded.
            Unauthenticated, PermissionDenied: The registry wants other credentials.
            Unavailable: The registry cannot be reached, or failed again and again.
            ResourceExhausted: The registry gets too many requests.
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
    def commit(
        self,
        snapshot: str,
        name: str,
        *,
        snapshotter: str = "",
        base: str = "",
        changes: ConfigChanges | None = None,
        message: str = "",
        compression: LayerCompression = "gzip",
        live: bool = False,
        source_date_epoch: int | None = None,
        progress: Report | None = None,
    ) -> Image:
        """Make an image of a snapshot: the image of its base, and a layer with all changes since.

        A snapshot that changes nothing adds no layer, and one without a base becomes an image of one layer. The
        image is named last, so it is complete if it is there.

        Args:
            snapshot: The snapshot, of any kind, in the keyspace of the images.
            name: The name of the image; one that is there already stands for the new image afterwards.
            snapshotter: As for `import_`.
            base: The image that the snapshot is based on. "" for the one that the snapshot was made from
                (`lamina images mount --rw`), or else the one whose layers the nearest snapshot below has.
            changes: Changes to the configuration of the base; None for none.
            message: A comment for the history.
            compression: The compression of the layer.
            live: Commit the snapshot although it is mounted. Files are read one after the other, so the image can
                hold a state that never existed; a file that changes while it is read is refused.
            source_date_epoch: The time of the image, in seconds since 1970, UTC, and the latest time of files in
                its layer; None for now, and the times that the files have. Given it, a snapshot that has not
                changed makes the same image again.
            progress: Gets the progress.

        Raises:
            NotFound: There is no such snapshot or base.
            FailedPrecondition: The snapshot is mounted; it is not based on `base`, or is based on several images.
            Aborted: A file changed while it was read.
            ResourceExhausted: The disk is full.
            Unimplemented: The differ of the host only applies layers.
        """

    @abc.abstractmethod
    def edit(
        self,
        name: str,
        new_name: str = "",
        *,
        changes: ConfigChanges,
        message: str = "",
        platform: str = "",
        source_date_epoch: int | None = None,
    ) -> Image:
        """Make an image with the layers of another one, and another configuration.

        If the configuration already is as wanted, it remains the same image.

        Args:
            name: As for `unpack`.
            new_name: The name of the new image; "" to replace the other one.
            changes: Changes to its configuration.
            message: As for `commit`.
            platform: As for `import_`.
            source_date_epoch: As for `commit`.

        Raises:
            NotFound: There is no such image, or none for the platform; or a document is missing.
            FailedPrecondition: The image is for several platforms, and would be replaced.
        """

    @abc.abstractmethod
    def tag(self, name: str, new_name: str, *, force: bool = False) -> Image:
        """Give an image another name, with its labels, and return the image of that name.

        Args:
            name: As for `unpack`.
            new_name: The other name. One that already stands for the same target stays as it is.
            force: Let a name that stands for something else stand for this image.

        Raises:
            NotFound: There is no such image.
            InvalidArgument: The new name is malformed, or has another digest than the image.
            AlreadyExists: Another image has the new name.
        """

    @abc.abstractmethod
    def export(
        self,
        path: str,
        names: Sequence[str],
        *,
        format: ArchiveFormat = "oci",  # noqa: A002 - the word of all tools
        platform: str = "",
        progress: Report | None = None,
    ) -> Exported:
        """Write images to an archive, verified. It is there, durably, when it is complete, and not before.

        Args:
            path: The archive, on the host. A file is replaced; a directory must be new or empty.
            names: The images, each as for `unpack`.
            format: An OCI layout in a tar archive (`oci`) or in a directory (`oci-dir`), or one in a tar archive
                that `docker load` reads, too (`docker`).
            platform: The platform for which to write them; "" for all that are there, or for the host's if the
                format is `docker`.
            progress: Gets the progress.

        Raises:
            NotFound: There is no such image, none for the platform, or a blob of it is missing.
            AlreadyExists: The directory is not empty.
            FailedPrecondition: Something is there that is not a regular file.
            DataLoss: A blob is damaged.
            ResourceExhausted: The disk is full.
        """

    @abc.abstractmethod
    def resolve(self, name: str, *, platform: str = "") -> Resolved:
        """Return the parts of an image.

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
