"""The blobs and documents of an image to push."""

from __future__ import annotations

import json

import attrs

from lamina.content import ContentStore, Descriptor, read_blob
from lamina.context import current
from lamina.errdefs import FailedPrecondition, InvalidArgument, NotFound
from lamina.images._temporary_lease import TemporaryLease
from lamina.images.documents import INDEX_TYPES, MANIFEST_TYPES, REFERENCE, Index, Manifest, describe
from lamina.images.selection import MAX_NESTING


class Outgoing:
    """The blobs and the documents of an image, each after what it refers to."""

    def __init__(self, content: ContentStore, lease: TemporaryLease, name: str) -> None:
        """Begin with nothing.

        Args:
            content: Has the blobs.
            lease: Gets every blob before the store is searched for it.
            name: The name of the image, for messages.
        """
        self._content = content
        self._lease = lease
        self._name = name
        self._made: dict[str, bytes] = {}
        """Indexes that are not in the content store."""
        self.blobs: dict[str, Descriptor] = {}
        """Layers and configurations."""
        self.documents: dict[str, Descriptor] = {}
        """Manifests and indexes."""

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a document."""
        made = self._made.get(descriptor.digest)
        return read_blob(self._content, descriptor.digest) if made is None else made

    def add_image(self, target: Descriptor) -> Descriptor:
        """Add an image, and return its descriptor in the registry.

        Raises:
            FailedPrecondition: Blobs are missing.
            InvalidArgument: A document is malformed, or of no known type.
        """
        top = self._add(target, 0)
        if top is None:
            raise FailedPrecondition(f"push {self._name}: none of its manifests is there: pull or import it again")
        return top

    def _add(self, target: Descriptor, depth: int) -> Descriptor | None:
        """Add a document with what it refers to; return its descriptor, or None if a part is missing."""
        current().check()
        if target.digest in self.documents:
            return self.documents[target.digest]
        if target.media_type in INDEX_TYPES:
            return self._add_index(target, depth)
        if target.media_type not in MANIFEST_TYPES:
            raise InvalidArgument(f"push {self._name}: {target.media_type[:80]!r} is not the type of a document")
        return self._add_manifest(target)

    def _add_index(self, target: Descriptor, depth: int) -> Descriptor | None:
        if depth == MAX_NESTING:
            raise InvalidArgument(f"push {self._name}: indexes are nested more than {MAX_NESTING} deep")
        if not self._has(target.digest):
            return None
        index = Index.decode(self.read(target), target)
        kept = self._kept(target)
        entries = []
        for entry in index.entries:
            one = entry.descriptor
            if one.digest not in kept and not self._is_complete(one):
                continue
            if added := self._add(one, depth + 1):
                descriptor = attrs.evolve(one, digest=added.digest, size=added.size, media_type=added.media_type)
                entries.append(attrs.evolve(entry, descriptor=descriptor))
        if not entries:
            return None
        if len(entries) == 1 < len(index.entries):
            return self.documents[entries[0].descriptor.digest]
        if tuple(entries) != index.entries:
            target = self._make(attrs.evolve(index, entries=tuple(entries)))
        return self.documents.setdefault(target.digest, target)

    def _add_manifest(self, target: Descriptor) -> Descriptor:
        if not self._has(target.digest):
            raise FailedPrecondition(f"push {self._name}: its manifest {target.digest} is missing: pull it again")
        manifest = Manifest.decode(self.read(target), target)
        for blob in (*manifest.layers, manifest.config):
            if not self._has(blob.digest):
                raise FailedPrecondition(
                    f"push {self._name}: its layer {blob.digest} is missing: it was discarded, or the snapshotter "
                    "made it without fetching it; pull or import the image again, with --no-unpack"
                )
            self.blobs.setdefault(blob.digest, blob)
        return self.documents.setdefault(target.digest, target)

    def _is_complete(self, target: Descriptor) -> bool:
        """Return whether a document that an index names is there with all that it refers to."""
        if not self._has(target.digest):
            return False
        if target.media_type not in MANIFEST_TYPES:
            return target.media_type in INDEX_TYPES
        manifest = Manifest.decode(self.read(target), target)
        return all(self._has(blob.digest) for blob in (*manifest.layers, manifest.config))

    def _kept(self, index: Descriptor) -> frozenset[str]:
        """Return the manifests that are there because of an index: those that it refers to."""
        labels = self._content.info(index.digest).labels
        return frozenset(value for key, value in labels.items() if key.startswith(f"{REFERENCE}.m."))

    def _has(self, digest: str) -> bool:
        self._lease.add_blob(digest)
        try:
            self._content.info(digest)
        except NotFound:
            return False
        return True

    def _make(self, index: Index) -> Descriptor:
        data = json.dumps(index.document(), indent=2).encode()
        made = describe(data, index.media_type)
        self._made[made.digest] = data
        return made
