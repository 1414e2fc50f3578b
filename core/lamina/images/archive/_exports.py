"""The contents of an exported archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from lamina.content import ContentStore, Descriptor, read_blob
from lamina.context import current
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images._store import Image
from lamina.images.archive._oci import CONTAINERD_NAME, REF_NAME
from lamina.images.archive._source import blob_file
from lamina.images.documents import INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX, Index, IndexEntry, Manifest, Platform
from lamina.images.references import parse
from lamina.images.selection import candidates, choose


class Exports:
    """The images for an archive, and the blobs that they need."""

    def __init__(self, content: ContentStore, keep: Callable[[str], object]) -> None:
        """Begin without images.

        Args:
            content: Has the blobs.
            keep: Called with the digest of each before it is looked for: it must not be collected for a while.
        """
        self._content = content
        self._keep = keep
        self._entries: list[IndexEntry] = []
        self._saved: dict[str, tuple[Manifest, list[str]]] = {}
        """The manifests for `docker load` by their digests, and their names."""
        self.blobs: dict[str, Descriptor] = {}
        """By their digests, with their sizes."""

    def add(self, image: Image, platform: Platform | None, *, single: bool) -> None:
        """Add an image.

        Args:
            image: The image.
            platform: The platform for which to add it; None for all that are there, or the host's if `single`.
            single: Whether to add it for a single platform.

        Raises:
            NotFound: It has no manifest for the platform, or a blob of it is missing.
            InvalidArgument: A document is malformed.
        """
        self._keep(image.target.digest)
        target, shown = image.target, None
        if platform or single:
            chosen = choose(self._read, image.target, image.name, platform)
            target, shown = chosen.descriptor, chosen.platform
        elif not candidates(self._read, image.target, image.name):
            raise NotFound(f"image {image.name}: it has no manifest of a root file system")
        self._add_target(target, image.name)
        annotations = {**target.annotations, **_annotations(image.name)}
        self._entries.append(IndexEntry(attrs.evolve(target, annotations=annotations), shown))
        if single:
            manifest = Manifest.decode(self._read(target), target)
            self._saved.setdefault(target.digest, (manifest, []))[1].append(image.name)

    def index(self) -> dict[str, object]:
        """Return the index of the layout."""
        return Index(OCI_INDEX, tuple(self._entries)).document()

    def saved(self) -> list[dict[str, object]]:
        """Return the list of images that `docker load` reads (Docker, `image/tarexport`)."""
        return [
            {
                "Config": blob_file(manifest.config.digest),
                "RepoTags": names,
                "Layers": [blob_file(layer.digest) for layer in manifest.layers],
            }
            for manifest, names in self._saved.values()
        ]

    def _add_target(self, target: Descriptor, name: str) -> None:
        current().check()
        if target.digest in self.blobs:
            return
        self._add_blobs([target], name)
        if target.media_type in INDEX_TYPES:
            for entry in Index.decode(self._read(target), target).entries:
                if self._has(entry.descriptor):  # others are of platforms that are not there
                    self._add_target(entry.descriptor, name)
        elif target.media_type in MANIFEST_TYPES:
            manifest = Manifest.decode(self._read(target), target)
            self._add_blobs([manifest.config, *manifest.layers], name)

    def _add_blobs(self, blobs: Sequence[Descriptor], name: str) -> None:
        for one in blobs:
            self._keep(one.digest)
            try:
                size = self._content.info(one.digest).size
            except NotFound as error:
                raise NotFound(
                    f"image {name}: blob {one.digest} is not there any more: import or pull the image again, "
                    "without discarding its layers"
                ) from error
            if size != one.size:
                raise InvalidArgument(
                    f"image {name}: blob {one.digest} has {size} bytes where its descriptor says {one.size}"
                )
            self.blobs[one.digest] = one

    def _has(self, descriptor: Descriptor) -> bool:
        self._keep(descriptor.digest)
        try:
            self._content.info(descriptor.digest)
        except NotFound:
            return False
        return True

    def _read(self, descriptor: Descriptor) -> bytes:
        return read_blob(self._content, descriptor.digest)


def _annotations(name: str) -> dict[str, str]:
    """Return the annotations with the name of an image, as containerd and Docker write them."""
    try:
        tag = parse(name).tag
    except InvalidArgument:  # any text can name an image
        tag = ""
    return {CONTAINERD_NAME: name, **({REF_NAME: tag} if tag else {})}
