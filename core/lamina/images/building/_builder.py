"""`Builder`: makes images."""

from __future__ import annotations

import time

import attrs

from lamina.content import ContentStore, Descriptor, NewBlob, ingest, read_blob
from lamina.errdefs import FailedPrecondition, InvalidArgument
from lamina.images._config_changes import ConfigChanges
from lamina.images._lookup import find_image
from lamina.images._store import Image, ImageStore
from lamina.images._temporary_lease import TemporaryLease
from lamina.images.building._base import Base
from lamina.images.building._documents import NewDocuments, build_documents, changes_anything
from lamina.images.building._layer import LayerSource
from lamina.images.building._lookup import BaseLookup
from lamina.images.documents import History, Platform, reference_labels
from lamina.images.references import normalize
from lamina.images.selection import candidates, choose
from lamina.snapshots import NANOSECONDS, check_time, format_time


@attrs.frozen(eq=False)
class Builder:
    """Makes images in one namespace."""

    content: ContentStore
    images: ImageStore
    lease: TemporaryLease
    """Keeps what an image needs until it has its name."""

    def commit(
        self,
        source: LayerSource,
        name: str,
        *,
        base: str = "",
        changes: ConfigChanges,
        message: str = "",
        source_date_epoch: int | None = None,
    ) -> Image:
        """Make an image of a snapshot; see `Transfer.commit`."""
        new, created = _new_name(name), _created(source_date_epoch)
        source.check()
        self.lease.add_snapshot(source.destination.name, source.key)
        below = BaseLookup(self.content, self.images, self.lease).base(
            source.destination.snapshotter, source.key, base
        )
        layer = source.write(self.content, below.chain_id, source_date_epoch, self.lease)
        step = History(created, "lamina images commit", changes.author or "", message)
        return self._store(new, below, build_documents(below, step, changes, layer))

    def edit(
        self,
        name: str,
        new_name: str = "",
        *,
        changes: ConfigChanges,
        message: str = "",
        platform: Platform | None = None,
        source_date_epoch: int | None = None,
    ) -> Image:
        """Make an image with another configuration and the same layers; see `Transfer.edit`."""
        image, created = find_image(self.images, name), _created(source_date_epoch)
        new = _new_name(new_name) if new_name else image.name
        self.lease.add_blob(image.target.digest)
        chosen = choose(self._read, image.target, image.name, platform).descriptor
        base = Base.read(self.content, chosen)
        if new == image.name:
            self._check_only_one(image)
        if not changes_anything(base, changes):
            return image if new == image.name else self.images.put(Image(new, chosen))
        step = History(created, "lamina images config", changes.author or "", message)
        return self._store(new, base, build_documents(base, step, changes, None))

    def _check_only_one(self, image: Image) -> None:
        """Check that an image can be replaced by one for a single platform."""
        if "@" in image.name:
            raise InvalidArgument(f"image {image.name} is named by its digest: give the new one another name")
        found = candidates(self._read, image.target, image.name)
        if len(found) > 1:
            platforms = ", ".join(str(one.platform) for one in found)
            raise FailedPrecondition(
                f"image {image.name} is for several platforms ({platforms}), and the new one would be for one of "
                "them: give that another name"
            )

    def _read(self, descriptor: Descriptor) -> bytes:
        return read_blob(self.content, descriptor.digest)

    def _store(self, name: str, base: Base, built: NewDocuments) -> Image:
        """Store the documents of an image, and name it. The name is stored last, in case of a crash."""
        for digest in (*base.layer_digests, built.config.digest, built.manifest.digest):
            self.lease.add_blob(digest)
        labels = reference_labels(built.manifest, built.manifest_data, lambda _: True)
        config = NewBlob(built.config.digest, built.config_data, ref=f"configuration of {name}")
        manifest = NewBlob(built.manifest.digest, built.manifest_data, labels, ref=f"manifest of {name}")
        ingest(self.content, [config, manifest])
        return self.images.put(Image(name, built.manifest))


def _new_name(name: str) -> str:
    full = normalize(name)
    if "@" in full:
        raise InvalidArgument(f"image name {name!r}: the digest of a new image is not known before it is made")
    return full


def _created(source_date_epoch: int | None) -> str:
    if source_date_epoch is None:
        return format_time(time.time_ns())
    return format_time(check_time(source_date_epoch * NANOSECONDS))
