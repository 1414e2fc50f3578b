"""Reception of images: their blobs are stored, unpacked as they arrive, and named."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from lamina.content import ContentStore
from lamina.errdefs import NotFound, Unimplemented
from lamina.images._incoming import Incoming
from lamina.images._namespaces import current_namespace, keyspace_of
from lamina.images._parts import Parts, parts_of
from lamina.images._progress import Report
from lamina.images._results import Imported, Unpacked
from lamina.images._store import ImageStore
from lamina.images._temporary_lease import TemporaryLease
from lamina.images.documents import Platform, chain_ids
from lamina.images.selection import is_for
from lamina.images.unpack import Arrivals, Destination, Layer, Unpacker, arriving, layers_of
from lamina.layers import Applier


class Receiver:
    """Receives images into a content store, the names of images, and snapshotters."""

    def __init__(self, content: ContentStore, images: Callable[[str], ImageStore], applier: Applier) -> None:
        """Use stores and plugins that the caller closes; see `LocalTransfer`."""
        self._images = images
        self._unpacker = Unpacker(content, applier)

    def receive(
        self,
        incoming: Incoming,
        platform: Platform | None,
        destination: Destination | None,
        lease: TemporaryLease,
        progress: Report | None,
    ) -> Imported:
        """Store the blobs of images, unpack each layer as soon as it is there, and name the images.

        Args:
            incoming: The images.
            platform: The platform to unpack; None for the host's.
            destination: The snapshotter to unpack to; None to leave the images packed.
            lease: Gets what is stored and unpacked.
            progress: Gets the progress of the unpacking.

        Raises:
            Error: As `Incoming.fetch` and `unpack`. If one fails, the other is stopped, and nothing is named.
        """
        unpacked: list[Unpacked] = []
        for blob in incoming.blobs:
            lease.add_blob(blob.digest)
        may_leave_out = incoming.is_remote or not incoming.blobs.keeps_layers
        if destination is not None and may_leave_out and not incoming.all_platforms:
            incoming.blobs.leave_out(self._needless(incoming, platform, destination, lease))
        if destination is None:
            incoming.fetch()
        else:
            with arriving([one.digest for one in incoming.blobs], incoming.fetch) as arrivals:
                for name, target in incoming.targets.items():
                    if incoming.all_platforms and not is_for(incoming.read, target, name, platform):
                        continue
                    parts = parts_of(incoming.read, target, name, platform)
                    unpacked.append(self.unpack(name, parts, destination, lease, progress, arrivals))
        return Imported(tuple(incoming.name(self._images(current_namespace()))), tuple(unpacked))

    def unpack(
        self,
        name: str,
        parts: Parts,
        destination: Destination,
        lease: TemporaryLease,
        progress: Report | None,
        arrivals: Arrivals | None = None,
    ) -> Unpacked:
        """Unpack an image; see `Unpacker.unpack`.

        Args:
            name: Its name.
            parts: Its documents.
            destination: The snapshotter, in its own keyspace.
            lease: Gets the blobs and the snapshots.
            progress: Gets the progress.
            arrivals: Reports its blobs when they arrive; None if all are there.
        """
        place, shown = in_namespace(destination, current_namespace())
        _protect(parts, place, lease)
        try:
            top = self._unpacker.unpack(parts.manifest, parts.config, place, progress, arrivals)
        except NotFound as error:
            raise NotFound(f"unpack {name}: {error}; pull or import the image again") from error
        return Unpacked(name, shown, top)

    def _needless(
        self, incoming: Incoming, platform: Platform | None, destination: Destination, lease: TemporaryLease
    ) -> set[str]:
        """Return the digests of layers that need not be stored.

        Either they are unpacked and would be discarded, or the snapshotter gets them by itself.
        """
        layers, needed = list[Layer](), list[Layer]()
        place, _ = in_namespace(destination, current_namespace())
        for name, target in incoming.targets.items():
            parts = parts_of(incoming.read, target, name, platform)
            _protect(parts, place, lease)
            own = layers_of(parts.manifest, parts.config)
            provided = self._unpacker.provided(own, place) if incoming.is_remote else []
            missing = own if incoming.blobs.keeps_layers else place.missing(own)
            layers += own
            needed += [layer for layer in missing if layer not in provided]
        return {layer.descriptor.digest for layer in layers} - {layer.descriptor.digest for layer in needed}


def _protect(parts: Parts, place: Destination, lease: TemporaryLease) -> None:
    """Add the blobs and the future snapshots of an image to a lease."""
    for blob in (parts.descriptor, parts.manifest.config, *parts.manifest.layers):
        lease.add_blob(blob.digest)
    for chain_id in chain_ids(parts.config.rootfs.diff_ids):
        lease.add_snapshot(place.name, chain_id)


def in_namespace(destination: Destination, namespace: str) -> tuple[Destination, str]:
    """Return a destination in the keyspace of a namespace, and the name by which clients find it."""
    keyspace = keyspace_of(namespace)
    try:
        snapshotter = destination.snapshotter.keyspace(keyspace)
    except Unimplemented:  # it has only one
        return destination, destination.name
    return attrs.evolve(destination, snapshotter=snapshotter), f"{destination.name}/{keyspace}"
