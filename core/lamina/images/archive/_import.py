"""Import the images of an archive into a content store and an image store."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from lamina.content import ContentStore, Descriptor, NewBlob, ingest
from lamina.context import current
from lamina.errdefs import AlreadyExists, InvalidArgument, NotFound
from lamina.images._progress import Progress, Report
from lamina.images._store import Image, ImageStore
from lamina.images.archive._names import full_names
from lamina.images.archive._source import Source
from lamina.images.documents import INDEX_TYPES, LAYER_TYPES, ImageConfig, Index, Manifest, Platform
from lamina.images.selection import candidates, choose

_REFERENCE: Final = "containerd.io/gc.ref.content"
"""The prefix of labels by which a blob keeps others from being collected: `.config`, `.l.N` for layers, `.m.N` for
manifests (containerd, `docs/garbage-collection.md`)."""


def import_images(
    source: Source,
    content: ContentStore,
    images: ImageStore,
    *,
    names: Sequence[str] = (),
    platform: Platform | None = None,
    all_platforms: bool = False,
    report: Report | None = None,
) -> list[Image]:
    """Copy the images of an archive, verified, and then name them. Repeated, it continues where it stopped.

    Args:
        source: The archive.
        content: Where the blobs go.
        images: Where the names go. A name that is there already stands for the new image afterwards.
        names: Names for the archive's only image, in place of those that it gives.
        platform: Of an image for several platforms, the one to import; None for the host's.
        all_platforms: Import all that the archive has instead.
        report: Called with the progress of each blob.

    Returns:
        The images, with their full names.

    Raises:
        InvalidArgument: The archive or a name is malformed, or a blob has another size than its descriptor says.
        NotFound: A blob is missing, or there is no image for the platform.
        FailedPrecondition: A blob has another digest.
        ResourceExhausted: The disk is full.
        Canceled, DeadlineExceeded: The current call ended.
    """
    targets = full_names(source, names)
    plan = _Plan(source, frozenset(_chosen(source, targets, platform, all_platforms=all_platforms)))
    for target in targets.values():
        plan.add(target)
    with contextlib.closing(_opened(source, plan.blobs.values(), report or (lambda _: None))) as blobs:
        ingest(content, blobs)
    return [_store(images, Image(name, target)) for name, target in targets.items()]


def _chosen(
    source: Source, targets: Mapping[str, Descriptor], platform: Platform | None, *, all_platforms: bool
) -> Iterator[str]:
    """Yield the digests of the manifests to import."""
    for name, target in targets.items():
        if not all_platforms:
            yield choose(source.read, target, name, platform).descriptor.digest
            continue
        found = candidates(source.read, target, name)
        if not found:
            raise NotFound(f"image {name}: it has no manifest of a root file system")
        yield from (one.descriptor.digest for one in found)


@attrs.frozen
class _Copy:
    """A blob to copy."""

    descriptor: Descriptor
    labels: Mapping[str, str] = attrs.field(factory=dict)


class _Plan:
    """The blobs to copy, those that others refer to first."""

    def __init__(self, source: Source, chosen: frozenset[str]) -> None:
        """Plan to copy some manifests, and the indexes above them.

        Args:
            source: The archive.
            chosen: The digests of the manifests.
        """
        self.blobs: dict[str, _Copy] = {}
        """By digest."""
        self._source = source
        self._chosen = chosen
        self._passed: set[str] = set()

    def add(self, target: Descriptor) -> bool:
        """Add a manifest or an index with what it refers to, and return whether there was something to add."""
        current().check()
        if target.digest in self.blobs:
            return True
        if target.media_type in INDEX_TYPES:
            return self._add_index(target)
        if target.digest not in self._chosen:
            return False
        self._add_manifest(target)
        return True

    def _add_index(self, target: Descriptor) -> bool:
        if target.digest in self._passed:
            return False
        self._passed.add(target.digest)
        try:
            data = self._source.read(target)
        except NotFound:  # of another platform, which the archive leaves out
            return False
        entries = Index.decode(data, target).entries
        kept = [
            entry.descriptor.digest for entry in entries if not entry.is_attestation and self.add(entry.descriptor)
        ]
        if kept:
            self._add_blob(target, {f"{_REFERENCE}.m.{number}": digest for number, digest in enumerate(kept)})
        return bool(kept)

    def _add_manifest(self, target: Descriptor) -> None:
        manifest = Manifest.decode(self._source.read(target), target)
        config = ImageConfig.decode(self._source.read(manifest.config), manifest.config)
        if len(config.rootfs.diff_ids) != len(manifest.layers):
            raise InvalidArgument(
                f"manifest {target.digest}: it has {len(manifest.layers)} layers, but its configuration "
                f"{manifest.config.digest} has {len(config.rootfs.diff_ids)}"
            )
        for number, layer in enumerate(manifest.layers):
            if layer.media_type not in LAYER_TYPES:
                raise InvalidArgument(
                    f"manifest {target.digest}: layers[{number}]: {layer.media_type[:80]!r} is no type of layer "
                    "that can be unpacked"
                )
            self._add_blob(layer, {})
        self._add_blob(manifest.config, {})
        labels = {f"{_REFERENCE}.l.{number}": layer.digest for number, layer in enumerate(manifest.layers)}
        self._add_blob(target, {f"{_REFERENCE}.config": manifest.config.digest, **labels})

    def _add_blob(self, descriptor: Descriptor, labels: Mapping[str, str]) -> None:
        with self._source.open(descriptor):  # it is there, and has the right size, before gigabytes are copied
            self.blobs.setdefault(descriptor.digest, _Copy(descriptor, labels))


def _opened(source: Source, planned: Iterable[_Copy], report: Report) -> Generator[NewBlob]:
    """Yield blobs to store. Each is open until the next one is asked for."""
    for one in planned:
        progress = functools.partial(_tell, report, one.descriptor)
        progress(0)
        with source.open(one.descriptor) as blob:
            yield NewBlob(one.descriptor.digest, blob, one.labels, progress)


def _tell(report: Report, descriptor: Descriptor, done: int) -> None:
    report(Progress(descriptor.digest, "import", done, descriptor.size))


def _store(images: ImageStore, image: Image) -> Image:
    try:
        return images.create(image)
    except AlreadyExists:
        return images.update(image, ("target",))
