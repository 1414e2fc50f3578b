"""An image of a registry, on its way into a content store."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Final

from lamina.content import ContentStore, Descriptor, NewBlob, abort_ingest, ingest, open_writer, read_blob
from lamina.errdefs import AlreadyExists, InvalidArgument, NotFound, ResourceExhausted
from lamina.images._blobs import ImageBlobs
from lamina.images._incoming import Incoming
from lamina.images._progress import Progress, Report
from lamina.images._temporary_lease import TemporaryLease
from lamina.images.distribution._parallel import for_each
from lamina.images.distribution._sources import source_label
from lamina.images.documents import INDEX_TYPES, MANIFEST_TYPES, MAX_BYTES, Platform
from lamina.images.references import Reference, normalize_for
from lamina.images.selection import chosen
from lamina.registry import Repository

_DOCUMENTS: Final = MANIFEST_TYPES | INDEX_TYPES


class PulledImage(Incoming):
    """An image of a registry. Its documents are read at once, its layers by `fetch`.

    Blobs that the content store has are not fetched, and those of an interrupted pull are continued. If another
    pull is fetching a blob, this one waits for it.
    """

    is_remote = True

    def __init__(
        self,
        reference: Reference,
        repository: Repository,
        content: ContentStore,
        lease: TemporaryLease,
        *,
        name: str = "",
        platform: Platform | None = None,
        all_platforms: bool = False,
        keeps_layers: bool = True,
        report: Report | None = None,
    ) -> None:
        """Read the documents of the image into the content store.

        Args:
            reference: The tag or the digest of the image.
            repository: The repository.
            content: The store for the blobs.
            lease: Gets every blob before the store is searched for it.
            name: The full name that the image gets; "" for that of `reference`.
            platform: Of an image for several platforms, the one to pull; None for the host's.
            all_platforms: Pull all instead.
            keeps_layers: Whether the image refers to its layers, so that they are not collected.
            report: Called with the progress of each blob.

        Raises:
            NotFound: There is no such image, or none for the platform.
            InvalidArgument: A document is malformed, or `name` has another digest.
            Error: As the methods of `Repository`.
        """
        self._reference = reference
        self._repository = repository
        self._content = content
        self._lease = lease
        self._report = report or (lambda _: None)
        target = repository.resolve(reference.object)
        self.targets = {normalize_for(name or str(reference), target.digest): target}
        self.all_platforms = all_platforms
        found = chosen(self.read, target, str(reference), platform, all_platforms=all_platforms)
        manifests = frozenset(one.descriptor.digest for one in found)
        self.blobs = ImageBlobs(self.read, manifests, keeps_layers=keeps_layers)
        self.blobs.add(target)

    def read(self, descriptor: Descriptor) -> bytes:
        self._lease.add_blob(descriptor.digest)
        with contextlib.suppress(NotFound):
            return read_blob(self._content, descriptor.digest)
        if descriptor.media_type in _DOCUMENTS:
            data = self._repository.manifest(descriptor)
            ingest(self._content, [NewBlob(descriptor.digest, data)])
            return data
        if descriptor.size > MAX_BYTES:
            raise InvalidArgument(
                f"blob {descriptor.digest} has {descriptor.size} bytes: at most {MAX_BYTES} are read as a document"
            )
        self._fetch(descriptor)
        return read_blob(self._content, descriptor.digest)

    def fetch(self, stored: Callable[[str], object] | None = None) -> None:
        """Implement `Incoming.fetch`. Several layers are fetched at a time."""

        def one(descriptor: Descriptor) -> None:
            self._fetch(descriptor)
            if stored:
                stored(descriptor.digest)

        layers = [one for one in self.blobs if one.media_type not in _DOCUMENTS]
        try:
            for_each(layers, one)
        except ResourceExhausted as error:
            if isinstance(error.__cause__, OSError):  # the disk is full: others need the space
                for layer in layers:
                    abort_ingest(self._content, layer.digest)
            raise
        for document in self.blobs:
            if document.media_type in _DOCUMENTS:
                self._add_labels(document.digest, self.blobs.labels(document))
                one(document)

    def _fetch(self, descriptor: Descriptor) -> None:
        """Fetch a blob that is not a document, unless it is there."""
        digest, size = descriptor.digest, descriptor.size
        report = functools.partial(self._tell, descriptor)
        report(0)
        self._lease.add_blob(digest)
        try:
            with open_writer(self._content, digest, size) as writer:
                self._repository.fetch(descriptor, writer, report)
                writer.commit(size=size, digest=digest, labels=source_label({}, self._reference))
        except AlreadyExists:
            self._add_labels(digest, {})
        report(size)

    def _add_labels(self, digest: str, labels: Mapping[str, str]) -> None:
        """Label a blob, and say where it comes from."""
        known = self._content.info(digest).labels
        wanted = {**labels, **source_label(known, self._reference)}
        if not wanted.items() <= known.items():
            self._content.add_labels(digest, wanted)

    def _tell(self, descriptor: Descriptor, done: int) -> None:
        self._report(Progress(descriptor.digest, "pull", done, descriptor.size))
