"""Archives with two descriptions: an OCI layout, and the list of `docker save` for older readers."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.errdefs import InvalidArgument, NotFound
from lamina.images.archive._docker import DOCKER_MANIFEST_FILE, SavedImage, saved_images
from lamina.images.archive._files import ArchiveFiles, shown
from lamina.images.archive._names import is_full
from lamina.images.archive._oci import INDEX_FILE
from lamina.images.archive._source import Source, blob_file
from lamina.images.documents import DOCKER_CONFIG, Manifest, describe
from lamina.images.references import normalize
from lamina.images.selection import candidates


def check_agreement(files: ArchiveFiles, source: Source) -> None:
    """Check that every image that `docker load` would find is in the layout, with the same name.

    Raises:
        InvalidArgument: One is not, so that two readers would find two images under one name.
    """
    for image in saved_images(files):
        config = describe(files.read(image.config), DOCKER_CONFIG).digest
        if not any(_is_same(manifest, config, image) for manifest in _manifests(source, image)):
            raise InvalidArgument(
                f"{files.path}: {INDEX_FILE} and {DOCKER_MANIFEST_FILE} disagree: the image "
                f"{shown(image.names[0] if image.names else image.config)} is not the same in both; write the "
                "archive anew"
            )


def _manifests(source: Source, image: SavedImage) -> Iterator[Manifest]:
    """Yield the manifests of the layout's images that may be the one of a list."""
    names = {normalize(name) for name in image.names}
    for name, target in source.images:
        if names and is_full(name) and normalize(name) not in names:
            continue
        try:
            found = candidates(source.read, target, name)
        except NotFound:  # of another platform, which the archive leaves out
            continue
        for one in found:
            yield Manifest.decode(source.read(one.descriptor), one.descriptor)


def _is_same(manifest: Manifest, config: str, image: SavedImage) -> bool:
    """Return whether a manifest has a configuration and the layers of a list, as far as their names tell."""
    layers = [blob_file(layer.digest) for layer in manifest.layers]
    named = all(layer.startswith("blobs/") for layer in image.layers)
    return manifest.config.digest == config and (layers == [*image.layers] if named else True)
