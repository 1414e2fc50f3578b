"""The image that a snapshot is based on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from lamina.content import ContentStore, Descriptor, read_blob
from lamina.context import current
from lamina.errdefs import FailedPrecondition, InvalidArgument, NotFound
from lamina.images._labels import BASE
from lamina.images._lookup import find_image
from lamina.images._store import Image, ImageStore
from lamina.images._temporary_lease import TemporaryLease
from lamina.images.building._base import Base
from lamina.images.documents import OCI_MANIFEST, ImageConfig, Manifest, chain_ids, describe, parse_json
from lamina.images.selection import candidates
from lamina.snapshots import Info, Snapshotter

_SHOWN: Final = 8
"""Maximum number of images that a message names."""


@attrs.frozen(eq=False)
class BaseLookup:
    """Finds the images that snapshots are based on."""

    content: ContentStore
    images: ImageStore
    lease: TemporaryLease
    """Keeps the image that is found."""

    def base(self, snapshotter: Snapshotter, key: str, name: str = "") -> Base:
        """Return the image that a snapshot is based on; an image without layers if there is none.

        It is the one of `name`, or that of the snapshot's label `BASE`, or the one whose topmost snapshot is the
        nearest ancestor, or the snapshot itself.

        Raises:
            NotFound: There is no such snapshot or image.
            FailedPrecondition: The snapshot is not based on the image of that name; or there is no name, and it
                is based on several.
        """
        line = list(_line(snapshotter, key))
        if name:
            return self._named(line, find_image(self.images, name))
        return self._labelled(line) or self._nearest(line) or Base.empty()

    def _named(self, line: list[Info], image: Image) -> Base:
        places = {info.name: number for number, info in enumerate(line)} | {"": len(line)}
        found = [(places[chain], target) for chain, target in self._chains(image) if chain in places]
        if not found:
            raise FailedPrecondition(
                f"snapshot {line[0].name!r} is not based on {image.name}: none of the snapshots below it has all "
                "layers of that image"
            )
        return self._kept(min(found, key=lambda pair: pair[0])[1])

    def _labelled(self, line: list[Info]) -> Base | None:
        digest = line[0].labels.get(BASE)
        if digest is None:
            return None
        try:
            base = self._kept(self._describe(digest))
        except (NotFound, InvalidArgument):  # deleted by hand, or not what `lamina images mount` writes
            return None
        return base if base.chain_id in {"", *(info.name for info in line)} else None

    def _nearest(self, line: list[Info]) -> Base | None:
        names = {info.name for info in line}
        found: dict[str, dict[str, tuple[Image, Descriptor]]] = {}
        for image in self.images.list():
            for chain, target in self._chains(image):
                if chain in names:
                    found.setdefault(chain, {}).setdefault(target.digest, (image, target))
        several = next((found[info.name] for info in line if info.name in found), {})
        if len(several) > 1:
            shown = ", ".join(image.name for image, _ in [*several.values()][:_SHOWN])
            first = next(iter(several.values()))[0].name
            raise FailedPrecondition(
                f"snapshot {line[0].name!r} is based on several images: {shown}: choose one: --base {first}"
            )
        return next((self._kept(target) for _, target in several.values()), None)

    def _kept(self, manifest: Descriptor) -> Base:
        """Read an image, and keep it with its layers, which the labels of its manifest need not name."""
        self.lease.add_blob(manifest.digest)
        base = Base.read(self.content, manifest)
        for digest in base.layer_digests:
            self.lease.add_blob(digest)
        return base

    def _chains(self, image: Image) -> Iterator[tuple[str, Descriptor]]:
        """Yield the names of the topmost snapshots of an image, for every platform, and its manifests."""
        current().check()
        try:
            found = candidates(self._read, image.target, image.name)
            for one in found:
                manifest = Manifest.decode(self._read(one.descriptor), one.descriptor)
                config = ImageConfig.decode(self._read(manifest.config), manifest.config)
                yield (chain_ids(config.rootfs.diff_ids) or ("",))[-1], one.descriptor
        except NotFound:  # its blobs were deleted: nothing can be built on it
            return

    def _read(self, descriptor: Descriptor) -> bytes:
        return read_blob(self.content, descriptor.digest)

    def _describe(self, digest: str) -> Descriptor:
        data = read_blob(self.content, digest)
        members = parse_json(data, f"blob {digest}")
        said = members.get("mediaType") if isinstance(members, Mapping) else None
        return describe(data, said if isinstance(said, str) else OCI_MANIFEST)


def _line(snapshotter: Snapshotter, key: str) -> Iterator[Info]:
    """Yield a snapshot and those below it."""
    info = snapshotter.stat(key)
    yield info
    while info.parent:
        current().check()
        info = snapshotter.stat(info.parent)
        yield info
