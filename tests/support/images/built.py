"""Images that tests build, with layers of a few files."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence

import attrs

from lamina.content import ContentStore, NewBlob, ingest
from lamina.images.documents import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, ImageConfig, Manifest
from tests.support.images.documents import descriptor_of


@attrs.frozen
class BuiltImage:
    """An image whose blobs are in a content store."""

    manifest: Manifest
    config: ImageConfig

    @property
    def config_digest(self) -> str:
        return self.manifest.config.digest


def layer(files: Mapping[str, str | bytes | None], *, root_mode: int | None = None, root_mtime: int = 0) -> bytes:
    """A tar archive with files and, where there is no content, directories; first the root, if it has a mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        if root_mode is not None:
            root = tarfile.TarInfo("./")
            root.type, root.mode, root.mtime = tarfile.DIRTYPE, root_mode, root_mtime
            archive.addfile(root)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            else:
                data = content.encode() if isinstance(content, str) else content
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def build_image(
    content: ContentStore,
    layers: Sequence[bytes],
    *,
    diff_ids: Sequence[str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> BuiltImage:
    """Store an image.

    Args:
        content: Where its blobs go.
        layers: Its layers, uncompressed.
        diff_ids: What its configuration says about them, if that is not true.
        annotations: Annotations of each layer.
    """
    if diff_ids is None:
        diff_ids = [descriptor_of(data, "").digest for data in layers]
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": list(diff_ids)}}
    ).encode()
    blobs = [gzip.compress(data, 1, mtime=0) for data in layers]
    descriptors = tuple(
        attrs.evolve(descriptor_of(blob, OCI_LAYER_GZIP), annotations=annotations or {}) for blob in blobs
    )
    described = descriptor_of(config, OCI_CONFIG)
    unique = {
        describe.digest: blob for describe, blob in zip((described, *descriptors), (config, *blobs), strict=True)
    }
    ingest(content, [NewBlob(digest, blob) for digest, blob in unique.items()])
    return BuiltImage(Manifest(OCI_MANIFEST, described, descriptors), ImageConfig.decode(config, described))
