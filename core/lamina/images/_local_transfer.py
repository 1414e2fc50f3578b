"""`LocalTransfer`: imports and unpacks images in this process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from lamina.images._contract import Transfer
from lamina.images._namespaces import current_namespace
from lamina.images._options import check_discarding

if TYPE_CHECKING:
    from lamina.content import ContentStore
    from lamina.images._config_changes import ConfigChanges
    from lamina.images._parts import Parts
    from lamina.images._progress import Report
    from lamina.images._receiver import Receiver
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
    from lamina.images._store import Image, ImageStore
    from lamina.images._temporary_lease import TemporaryLease
    from lamina.images.building import Builder
    from lamina.images.documents import Platform
    from lamina.images.unpack import Destination
    from lamina.layers import Differ
    from lamina.registry import Access


class LocalTransfer(Transfer):
    """Works with a content store, the names of images, and snapshotters."""

    def __init__(
        self,
        content: ContentStore,
        images: Callable[[str], ImageStore],
        differ: Differ,
        destination: Callable[[str], Destination],
        lease: Callable[[str], AbstractContextManager[TemporaryLease]],
        discard: Callable[[Collection[str]], object],
    ) -> None:
        """Use stores and plugins that the caller closes.

        Args:
            content: Gets the blobs.
            images: Returns the images of a namespace.
            differ: Applies layers, and makes them.
            destination: Returns the snapshotter with an id, in its own keyspace; that of "" is the default one.
            lease: Returns a temporary lease in a namespace.
            discard: Removes blobs that nothing needs (`GarbageCollector.discard`).
        """
        self._content = content
        self._images = images
        self._destination = destination
        self._lease = lease
        self._discard = discard
        self._differ = differ
        self._shared: Receiver | None = None
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
        discard_layers: bool = False,
        progress: Report | None = None,
    ) -> Imported:
        from lamina.images.archive import ArchivedImages, open_source

        check_discarding(discard_layers, unpack=unpack, all_platforms=all_platforms)
        wanted = _parse(platform)
        destination = self._destination(snapshotter) if unpack else None  # before anything is copied
        with self._lease(current_namespace()) as lease, open_source(path) as source:
            archived = ArchivedImages(
                source,
                self._content,
                names=names,
                platform=wanted,
                all_platforms=all_platforms,
                keeps_layers=not discard_layers,
                report=progress,
            )
            layers = archived.blobs.layers() if discard_layers else ()
            imported = self._receiver.receive(archived, wanted, destination, lease, progress)
        self._discard(layers)
        return imported

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
        from lamina.images.distribution import PulledImage
        from lamina.images.references import normalize, parse
        from lamina.registry import Registry

        check_discarding(discard_layers, unpack=unpack, all_platforms=all_platforms)
        wanted, reference = _parse(platform), parse(name)
        destination = self._destination(snapshotter) if unpack else None  # before anything is fetched
        with self._lease(current_namespace()) as lease, Registry(reference.domain, access) as registry:
            pulled = PulledImage(
                reference,
                registry.repository(reference.path),
                self._content,
                lease,
                name=normalize(new_name) if new_name else "",
                platform=wanted,
                all_platforms=all_platforms,
                keeps_layers=not discard_layers,
                report=progress,
            )
            layers = pulled.blobs.layers() if discard_layers else ()
            imported = self._receiver.receive(pulled, wanted, destination, lease, progress)
        self._discard(layers)
        return imported

    def push(
        self,
        name: str,
        *,
        to: str = "",
        platform: str = "",
        access: Access | None = None,
        progress: Report | None = None,
    ) -> Pushed:
        from lamina.images._results import Pushed
        from lamina.images.distribution import Push
        from lamina.images.references import parse
        from lamina.registry import Registry

        with self._lease(current_namespace()) as lease:
            image = self._find(name)
            lease.add_blob(image.target.digest)
            target = self._parts(image, platform).descriptor if platform else image.target
            reference = parse(to or image.name)
            with Registry(reference.domain, access) as registry:
                push = Push(reference, registry.repository(reference.path), self._content, lease, progress)
                return Pushed(str(reference), push.run(target))

    def unpack(
        self, name: str, *, platform: str = "", snapshotter: str = "", progress: Report | None = None
    ) -> Unpacked:
        destination = self._destination(snapshotter)
        with self._lease(current_namespace()) as lease:
            image = self._find(name)
            return self._receiver.unpack(image.name, self._parts(image, platform), destination, lease, progress)

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
        from lamina.images._config_changes import ConfigChanges
        from lamina.images._receiver import in_namespace
        from lamina.images.building import LayerSource

        destination, _ = in_namespace(self._destination(snapshotter), current_namespace())
        source = LayerSource(
            destination=destination,
            namespace=current_namespace(),
            key=snapshot,
            differ=self._differ,
            compression=compression,
            live=live,
            progress=progress,
        )
        with self._builder() as builder:
            return builder.commit(
                source,
                name,
                base=base,
                changes=changes or ConfigChanges(),
                message=message,
                source_date_epoch=source_date_epoch,
            )

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
        with self._builder() as builder:
            return builder.edit(
                name,
                new_name,
                changes=changes,
                message=message,
                platform=_parse(platform),
                source_date_epoch=source_date_epoch,
            )

    def tag(self, name: str, new_name: str, *, force: bool = False) -> Image:
        from lamina.images.references import normalize

        return self._images(current_namespace()).tag(self._find(name).name, normalize(new_name), force=force)

    def export(
        self,
        path: str,
        names: Sequence[str],
        *,
        format: ArchiveFormat = "oci",  # noqa: A002 - as in the contract
        platform: str = "",
        progress: Report | None = None,
    ) -> Exported:
        from lamina.images._results import Exported
        from lamina.images.archive import export_images

        with self._lease(current_namespace()) as lease:
            images = tuple(map(self._find, names))
            size = export_images(
                images,
                self._content,
                path,
                format=format,
                platform=_parse(platform),
                keep=lease.add_blob,
                report=progress,
            )
            return Exported(images, size)

    @contextlib.contextmanager
    def _builder(self) -> Iterator[Builder]:
        from lamina.images.building import Builder

        with self._lease(current_namespace()) as lease:
            yield Builder(self._content, self._images(current_namespace()), lease)

    def resolve(self, name: str, *, platform: str = "") -> Resolved:
        image = self._find(name)
        return self._parts(image, platform).resolved(image)

    def verify(self, *digests: str) -> Iterator[Verified]:
        from lamina.images._verifying import verify

        return verify(self._content, digests)

    def _find(self, name: str) -> Image:
        from lamina.images._lookup import find_image

        return find_image(self._images(current_namespace()), name)

    @property
    def _receiver(self) -> Receiver:
        from lamina.images._receiver import Receiver

        with self._lock:
            if self._shared is None:
                self._shared = Receiver(self._content, self._images, self._differ)
            return self._shared

    def _parts(self, image: Image, platform: str) -> Parts:
        from lamina.images._parts import stored_parts

        return stored_parts(self._content, image, _parse(platform))


def _parse(platform: str) -> Platform | None:
    from lamina.images.documents import Platform

    return Platform.parse(platform) if platform else None
