"""OCI layouts (OCI image spec, `image-layout.md`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from lamina.content import Descriptor
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images.archive._files import ArchiveFiles, shown
from lamina.images.archive._source import MAX_IMAGES, Contents
from lamina.images.documents import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    Fields,
    Index,
    IndexEntry,
    describe,
    parse_json,
)

INDEX_FILE: Final = "index.json"
"""The index of all images in a layout."""
LAYOUT_FILE: Final = "oci-layout"
CONTAINERD_NAME: Final = "io.containerd.image.name"
"""The annotation with the full name of an image, as containerd, Docker and BuildKit write it."""
REF_NAME: Final = "org.opencontainers.image.ref.name"
"""The annotation with the name, or only the tag, of an image (OCI image spec, `annotations.md`)."""


def oci_contents(files: ArchiveFiles) -> Contents:
    """Return the images of a layout.

    Manifests that share a name, or have none, and each have a platform are the platforms of one image.

    Raises:
        InvalidArgument: The layout is malformed or has no images, or a name stands for several.
    """
    _check_version(files)
    data = files.read(INDEX_FILE)
    images: list[tuple[str, Descriptor]] = []
    documents: dict[str, bytes] = {}
    for name, entries in _by_name(Index.decode(data, describe(data, OCI_INDEX))).items():
        if len(entries) > 1 and _are_platforms(entries):
            joined = json.dumps(Index(OCI_INDEX, tuple(entries)).document()).encode()
            target = describe(joined, OCI_INDEX)
            documents[target.digest] = joined
            images.append((name, target))
        elif len(entries) > 1 and name:
            raise InvalidArgument(f"{files.path}: {shown(name)} is the name of {len(entries)} images")
        else:
            images.extend((name, entry.descriptor) for entry in entries)
    check_count(images, files)
    return Contents(tuple(images), documents=documents)


def check_count(images: Sequence[object], files: ArchiveFiles) -> None:
    """Check the number of images.

    Raises:
        InvalidArgument: There are none, or more than `MAX_IMAGES`.
    """
    if not images:
        raise InvalidArgument(f"{files.path}: there is no image in it")
    if len(images) > MAX_IMAGES:
        raise InvalidArgument(f"{files.path}: {len(images)} images: at most {MAX_IMAGES} are allowed")


def _check_version(files: ArchiveFiles) -> None:
    where = f"{LAYOUT_FILE} of {files.path}"
    try:
        data = files.read(LAYOUT_FILE)
    except NotFound as error:
        raise InvalidArgument(f"{error}: a layout has it beside {INDEX_FILE}") from error
    version = Fields.of(parse_json(data, where), where).text("imageLayoutVersion")
    if not version.startswith("1."):
        raise InvalidArgument(f"{where}: version {shown(version)}: only version 1 is supported")


def _by_name(index: Index) -> dict[str, list[IndexEntry]]:
    """Return the images of an index by the names that their annotations give, "" for none, each once."""
    named: dict[str, dict[str, IndexEntry]] = {}
    for entry in index.entries:
        if not entry.is_attestation and entry.descriptor.media_type in MANIFEST_TYPES | INDEX_TYPES:
            annotations = entry.descriptor.annotations
            name = annotations.get(CONTAINERD_NAME) or annotations.get(REF_NAME, "")
            named.setdefault(name, {}).setdefault(entry.descriptor.digest, entry)
    return {name: list(entries.values()) for name, entries in named.items()}


def _are_platforms(entries: Sequence[IndexEntry]) -> bool:
    platforms = {entry.platform.normalized() for entry in entries if entry.platform}
    return len(platforms) == len(entries)
