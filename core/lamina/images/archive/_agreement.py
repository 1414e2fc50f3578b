"""Archives with two descriptions: an OCI layout, and the list of `docker save` for older readers."""

from __future__ import annotations

import itertools
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
    missing: dict[str, list[SavedImage]] = {}
    for image in saved_images(files):
        missing.setdefault(describe(files.read(image.config), DOCKER_CONFIG).digest, []).append(image)
    for name, manifest in _manifests(source):
        config = manifest.config.digest
        missing[config] = [one for one in missing.get(config, ()) if not _is_same(one, name, manifest)]
    for image in itertools.chain.from_iterable(missing.values()):
        raise InvalidArgument(
            f"{files.path}: {INDEX_FILE} and {DOCKER_MANIFEST_FILE} disagree: the image "
            f"{shown(image.names[0] if image.names else image.config)} differs; make the archive again"
        )


def _manifests(source: Source) -> Iterator[tuple[str, Manifest]]:
    """Yield the manifests of the layout's images, with their names."""
    for name, target in source.images:
        try:
            found = candidates(source.read, target, name)
        except NotFound:  # of another platform, which the archive leaves out
            continue
        for one in found:
            yield name, Manifest.decode(source.read(one.descriptor), one.descriptor)


def _is_same(image: SavedImage, name: str, manifest: Manifest) -> bool:
    """Return whether an image with the same configuration has the same name and layers, if both state them."""
    names = {normalize(one) for one in image.names}
    if names and is_full(name) and normalize(name) not in names:
        return False
    layers = [blob_file(layer.digest) for layer in manifest.layers]
    return layers == [*image.layers] or not all(layer.startswith("blobs/") for layer in image.layers)
