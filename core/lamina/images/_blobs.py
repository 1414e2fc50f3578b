"""The blobs that images need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from lamina.content import Descriptor
from lamina.context import current
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images.documents import (
    INDEX_TYPES,
    LAYER_TYPES,
    MANIFEST_TYPES,
    ImageConfig,
    Index,
    Manifest,
    reference_labels,
)
from lamina.images.selection import Read


class ImageBlobs:
    """The blobs of images, those that others refer to first."""

    def __init__(
        self,
        read: Read,
        chosen: frozenset[str],
        check: Callable[[Descriptor], object] = lambda _: None,
        *,
        keeps_layers: bool = True,
    ) -> None:
        """Begin with none; `add` adds some manifests, and the indexes above them.

        Args:
            read: Reads documents.
            chosen: The digests of the manifests.
            check: Raises an error if a blob is not available.
            keeps_layers: Whether a manifest refers to its layers, so that they are not collected.
        """
        self._read = read
        self._chosen = chosen
        self._check = check
        self.keeps_layers: Final = keeps_layers
        self._blobs: dict[str, Descriptor] = {}
        self._passed: set[str] = set()
        """Indexes that were read already."""

    def __iter__(self) -> Iterator[Descriptor]:
        return iter(self._blobs.values())

    def add(self, target: Descriptor) -> bool:
        """Add a manifest or an index with what it refers to.

        Returns:
            Whether it was added: an index that leads to none of the chosen manifests is not.

        Raises:
            NotFound: A document is missing.
            InvalidArgument: A document is malformed.
            Error: As `check`.
        """
        current().check()
        if target.digest in self._blobs:
            return True
        if target.media_type in INDEX_TYPES:
            return self._add_index(target)
        if target.digest not in self._chosen:
            return False
        self._add_manifest(target)
        return True

    def layers(self) -> list[str]:
        """Return the digests of all layers."""
        return [one.digest for one in self if one.media_type in LAYER_TYPES]

    def leave_out(self, digests: AbstractSet[str]) -> None:
        """Leave out some blobs."""
        self._blobs = {digest: one for digest, one in self._blobs.items() if digest not in digests}

    def labels(self, descriptor: Descriptor) -> dict[str, str]:
        """Return the labels of a blob, which name the blobs that it refers to.

        They are computed each time, since those of all blobs together may be many.
        """
        if descriptor.media_type not in MANIFEST_TYPES | INDEX_TYPES:
            return {}
        is_kept, data = self._blobs.__contains__, self._read(descriptor)
        return reference_labels(descriptor, data, is_kept, keeps_layers=self.keeps_layers)

    def _add_index(self, target: Descriptor) -> bool:
        if target.digest in self._passed:
            return False
        self._passed.add(target.digest)
        try:
            data = self._read(target)
        except NotFound:  # of another platform, and left out
            return False
        entries = (entry for entry in Index.decode(data, target).entries if not entry.is_attestation)
        if not [entry for entry in entries if self.add(entry.descriptor)]:
            return False
        self._add_blob(target)
        return True

    def _add_manifest(self, target: Descriptor) -> None:
        manifest = Manifest.decode(self._read(target), target)
        config = ImageConfig.decode(self._read(manifest.config), manifest.config)
        if len(config.rootfs.diff_ids) != len(manifest.layers):
            raise InvalidArgument(
                f"manifest {target.digest}: it has {len(manifest.layers)} layers, but its configuration "
                f"{manifest.config.digest} has {len(config.rootfs.diff_ids)}"
            )
        for number, layer in enumerate(manifest.layers):
            if layer.media_type not in LAYER_TYPES:
                raise InvalidArgument(
                    f"manifest {target.digest}: layers[{number}]: {layer.media_type[:80]!r} is not a type "
                    "of layer that can be unpacked"
                )
            self._add_blob(layer)
        self._add_blob(manifest.config)
        self._add_blob(target)

    def _add_blob(self, descriptor: Descriptor) -> None:
        self._check(descriptor)
        self._blobs.setdefault(descriptor.digest, descriptor)
