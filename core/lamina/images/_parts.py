"""The parts of an image for one platform."""

from __future__ import annotations

import attrs

from lamina.content import ContentStore, Descriptor, read_blob
from lamina.errdefs import NotFound
from lamina.images._results import Resolved
from lamina.images._store import Image
from lamina.images.documents import ImageConfig, Manifest, Platform, chain_ids
from lamina.images.selection import Read, choose


@attrs.frozen(eq=False)
class Parts:
    """The documents of an image for one platform."""

    platform: Platform
    descriptor: Descriptor
    """The descriptor of the manifest."""
    manifest: Manifest
    config: ImageConfig

    def resolved(self, image: Image) -> Resolved:
        """Return what an image with these documents consists of."""
        chain = chain_ids(self.config.rootfs.diff_ids)
        return Resolved(
            image=image,
            platform=str(self.platform),
            manifest=self.descriptor,
            config=self.manifest.config,
            layers=self.manifest.layers,
            diff_ids=self.config.rootfs.diff_ids,
            chain_id=chain[-1] if chain else "",
        )


def parts_of(read: Read, target: Descriptor, name: str, platform: Platform | None) -> Parts:
    """Read the documents of an image (platform None: the host's).

    Raises:
        NotFound: There is none for the platform, or a document is missing.
        InvalidArgument: A document is malformed.
    """
    chosen = choose(read, target, name, platform)
    manifest = Manifest.decode(read(chosen.descriptor), chosen.descriptor)
    config = ImageConfig.decode(read(manifest.config), manifest.config)
    return Parts(chosen.platform, chosen.descriptor, manifest, config)


def stored_parts(content: ContentStore, image: Image, platform: Platform | None) -> Parts:
    """Read the documents of an image from a content store.

    Raises:
        Error: As `parts_of`.
    """

    def read(descriptor: Descriptor) -> bytes:
        try:
            return read_blob(content, descriptor.digest)
        except NotFound as error:
            raise NotFound(f"{error}; pull or import the image again") from error

    return parts_of(read, image.target, image.name, platform)
