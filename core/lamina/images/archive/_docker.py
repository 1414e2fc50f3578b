"""Archives of `docker save` (Docker, `image/tarexport`; also written by podman, skopeo and build tools)."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterator
from typing import Final

import attrs

from lamina.content import Descriptor
from lamina.errdefs import InvalidArgument
from lamina.images.archive._files import ArchiveFiles, shown
from lamina.images.archive._oci import check_count
from lamina.images.archive._source import Contents
from lamina.images.documents import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_LAYER_ZSTD,
    DOCKER_MANIFEST,
    Fields,
    ImageConfig,
    Manifest,
    describe,
    parse_json,
)
from lamina.layers import Compression, open_layer

DOCKER_MANIFEST_FILE: Final = "manifest.json"
"""The list of all images in the archive."""
_MEDIA_TYPES: Final = {
    Compression.NONE: DOCKER_LAYER,
    Compression.GZIP: DOCKER_LAYER_GZIP,
    Compression.ZSTD: DOCKER_LAYER_ZSTD,
}


@attrs.frozen
class SavedImage:
    """An entry of the list of images."""

    config: str
    """The file of the configuration."""
    layers: tuple[str, ...]
    """The files of the layers, from the lowest up."""
    names: tuple[str, ...]


def saved_images(files: ArchiveFiles) -> list[SavedImage]:
    """Return the images that the archive lists.

    Raises:
        InvalidArgument: The list is malformed, empty or too long.
    """
    where = f"{DOCKER_MANIFEST_FILE} of {files.path}"
    values = parse_json(files.read(DOCKER_MANIFEST_FILE), where)
    if not isinstance(values, list):
        raise InvalidArgument(
            f"{where}: it is not a list of images; if skopeo or podman wrote a directory, "
            "have it write an OCI layout"
        )
    check_count(values, files)
    return [
        SavedImage(fields.text("Config"), fields.texts("Layers"), fields.texts("RepoTags"))
        for number, value in enumerate(values)
        for fields in (Fields.of(value, f"{where}: [{number}]"),)
    ]


def docker_contents(files: ArchiveFiles) -> Contents:
    """Return the images of an archive, with a manifest made for each.

    Raises:
        InvalidArgument: The archive is malformed, or a name stands for several images.
        NotFound: A file is missing.
        Canceled, DeadlineExceeded: The current call ended.
    """
    made = _Manifests(files)
    for image in saved_images(files):
        made.add(image)
    return Contents(tuple(made.images()), made.files, made.documents)


class _Manifests:
    """Manifests made of the images found so far."""

    def __init__(self, archive: ArchiveFiles) -> None:
        self._archive = archive
        self._targets: dict[tuple[str, str], Descriptor] = {}
        """By name, and for those without one by digest."""
        self._layers: dict[str, Descriptor] = {}
        """By file, with digest "" where only a configuration tells it."""
        self.files: dict[str, str] = {}
        self.documents: dict[str, bytes] = {}

    def images(self) -> Iterator[tuple[str, Descriptor]]:
        for (name, _), target in self._targets.items():
            yield name, target

    def add(self, image: SavedImage) -> None:
        config = self._archive.read(image.config)
        described = describe(config, DOCKER_CONFIG)
        _check_name(image.config, {described.digest}, self._archive.path)
        diff_ids = ImageConfig.decode(config, described).rootfs.diff_ids
        if len(diff_ids) != len(image.layers):
            raise InvalidArgument(
                f"{self._archive.path}: {DOCKER_MANIFEST_FILE} lists {len(image.layers)} layers, but "
                f"{shown(image.config)} has {len(diff_ids)}"
            )
        self.files[described.digest] = image.config
        layers = tuple(map(self._layer, image.layers, diff_ids))
        manifest = json.dumps(Manifest(DOCKER_MANIFEST, described, layers).document()).encode()
        target = describe(manifest, DOCKER_MANIFEST)
        self.documents[target.digest] = manifest
        for name in image.names or ("",):
            if self._targets.setdefault((name, "" if name else target.digest), target) != target:
                raise InvalidArgument(f"{self._archive.path}: {shown(name)} is the name of several images")

    def _layer(self, file: str, diff_id: str) -> Descriptor:
        if file not in self._layers:
            self._layers[file] = self._describe(file)
        layer = self._layers[file]
        if not layer.digest:  # the import verifies that it is that of the data
            layer = attrs.evolve(layer, digest=diff_id)
        _check_name(file, {layer.digest, diff_id}, self._archive.path)
        self.files[layer.digest] = file
        return layer

    def _describe(self, file: str) -> Descriptor:
        from hashlib import sha256

        with self._archive.open(file) as blob:
            with open_layer(blob.fd, offset=blob.offset, size=blob.size) as stream:
                compression = stream.compression
            if compression is Compression.NONE:
                return Descriptor(_MEDIA_TYPES[compression], "", blob.size)
            found = sha256()
            for piece in blob.pieces():
                found.update(piece)
            return Descriptor(_MEDIA_TYPES[compression], f"sha256:{found.hexdigest()}", blob.size)


def _check_name(file: str, digests: Collection[str], path: str) -> None:
    """Check that a file named by a digest, as in `blobs/sha256/…` or `….json`, is named by one of its own.

    Raises:
        InvalidArgument: It has another digest.
    """
    named = re.fullmatch(r"(?:sha256:)?([0-9a-f]{64})(?:\.json|\.tar|\.tar\.gz)?", posixpath.basename(file))
    if named and f"sha256:{named[1]}" not in digests:
        raise InvalidArgument(f"{path}: {shown(file)} has the digest {min(digests)}, not that of its name")
