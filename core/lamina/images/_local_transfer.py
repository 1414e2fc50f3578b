"""`LocalTransfer`: imports and unpacks images in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from lamina.content import ContentStore, Descriptor, read_blob, verify_blob
from lamina.errdefs import DataLoss, NotFound, Unimplemented
from lamina.images._lookup import find_image
from lamina.images._namespaces import current_namespace, keyspace_of
from lamina.images._progress import Report
from lamina.images._store import Image, ImageStore
from lamina.images._transfer import Imported, Resolved, Transfer, Unpacked, Verified

if TYPE_CHECKING:
    from lamina.images.documents import ImageConfig, Manifest, Platform
    from lamina.images.unpack import Destination, Unpacker
    from lamina.layers import Applier


class LocalTransfer(Transfer):
    """Works with a content store, the names of images, and snapshotters."""

    def __init__(
        self,
        content: ContentStore,
        images: Callable[[str], ImageStore],
        applier: Applier,
        destination: Callable[[str], Destination],
    ) -> None:
        """Work with what the caller opened and closes.

        Args:
            content: Gets the blobs.
            images: Returns the images of a namespace.
            applier: Applies layers.
            destination: Returns the snapshotter with an id, in its own keyspace; that of "" is the default one.
        """
        self._content = content
        self._images = images
        self._applier = applier
        self._destination = destination
        self._unpacker: Unpacker | None = None
        self._lock = threading.Lock()

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
        from lamina.images.archive import import_images, open_source

        wanted = _parse(platform)
        destination = self._destination(snapshotter) if unpack else None  # before anything is copied
        with open_source(path) as source:
            found = import_images(
                source,
                self._content,
                self._images(current_namespace()),
                names=names,
                platform=wanted,
                all_platforms=all_platforms,
                report=progress,
            )
        if destination is None:
            return Imported(tuple(found))
        unpacked = (self._unpack(image, wanted, destination, progress) for image in found)
        return Imported(tuple(found), tuple(unpacked))

    def unpack(
        self, name: str, *, platform: str = "", snapshotter: str = "", progress: Report | None = None
    ) -> Unpacked:
        destination = self._destination(snapshotter)
        return self._unpack(self._find(name), _parse(platform), destination, progress)

    def _unpack(
        self, image: Image, platform: Platform | None, destination: Destination, progress: Report | None
    ) -> Unpacked:
        _, _, manifest, config = self._documents(image, platform)
        place, name = _in_namespace(destination, current_namespace())
        try:
            return Unpacked(image.name, name, self._shared_unpacker().unpack(manifest, config, place, progress))
        except NotFound as error:
            raise NotFound(f"unpack {image.name}: {error}; import the image again") from error

    def _shared_unpacker(self) -> Unpacker:
        from lamina.images.unpack import Unpacker

        with self._lock:
            if self._unpacker is None:
                self._unpacker = Unpacker(self._content, self._applier)
            return self._unpacker

    def resolve(self, name: str, *, platform: str = "") -> Resolved:
        from lamina.images.documents import chain_ids

        image = self._find(name)
        which, descriptor, manifest, config = self._documents(image, _parse(platform))
        chain = chain_ids(config.rootfs.diff_ids)
        return Resolved(
            image=image,
            platform=str(which),
            manifest=descriptor,
            config=manifest.config,
            layers=manifest.layers,
            diff_ids=config.rootfs.diff_ids,
            chain_id=chain[-1] if chain else "",
        )

    def verify(self, *digests: str) -> Iterator[Verified]:
        for digest in digests or (info.digest for info in self._content.walk()):
            try:
                yield self._verify_one(digest)
            except NotFound:
                if digests:
                    raise  # otherwise it was deleted meanwhile

    def _verify_one(self, digest: str) -> Verified:
        size = self._content.info(digest).size
        try:
            verify_blob(self._content, digest)
        except DataLoss as error:
            return Verified(digest, size, str(error))
        return Verified(digest, size)

    def _find(self, name: str) -> Image:
        return find_image(self._images(current_namespace()), name)

    def _documents(
        self, image: Image, platform: Platform | None
    ) -> tuple[Platform, Descriptor, Manifest, ImageConfig]:
        """Return the platform, the manifest with its descriptor, and the configuration of an image."""
        from lamina.images.documents import ImageConfig, Manifest
        from lamina.images.selection import choose

        chosen = choose(self._read, image.target, image.name, platform)
        manifest = Manifest.decode(self._read(chosen.descriptor), chosen.descriptor)
        config = ImageConfig.decode(self._read(manifest.config), manifest.config)
        return chosen.platform, chosen.descriptor, manifest, config

    def _read(self, descriptor: Descriptor) -> bytes:
        try:
            return read_blob(self._content, descriptor.digest)
        except NotFound as error:
            raise NotFound(f"{error}; import the image again") from error


def _parse(platform: str) -> Platform | None:
    from lamina.images.documents import Platform

    return Platform.parse(platform) if platform else None


def _in_namespace(destination: Destination, namespace: str) -> tuple[Destination, str]:
    """Return a destination in the keyspace of a namespace, and the name by which clients find it."""
    keyspace = keyspace_of(namespace)
    try:
        snapshotter = destination.snapshotter.keyspace(keyspace)
    except Unimplemented:  # it has only one
        return destination, destination.name
    return attrs.evolve(destination, snapshotter=snapshotter), f"{destination.name}/{keyspace}"
