"""The names that images get when they are imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from lamina.content import Descriptor
from lamina.errdefs import InvalidArgument
from lamina.images.archive._files import shown
from lamina.images.archive._source import Source
from lamina.images.references import normalize, normalize_for


def full_names(source: Source, names: Sequence[str]) -> dict[str, Descriptor]:
    """Return the full names of the images to import.

    A name in the archive that is only a tag, and an image without a name, are completed by the name of the file:
    `debian.tar` with the tag `12` is `docker.io/library/debian:12`. Several images without a name are told apart
    by their digests.

    Args:
        source: The archive.
        names: Names for its only image in place of those that it gives.

    Raises:
        InvalidArgument: A name is malformed, has another digest than its image, or stands for two images; or the
            archive has several images for `names`.
    """
    if names:
        targets = {target.digest: target for _, target in source.images}
        if len(targets) > 1:
            shown_names = ", ".join(shown(name) for name, _ in source.images[:8])
            raise InvalidArgument(
                f"{source.path}: a name was given, but there are {len(targets)} images in it: {shown_names}"
            )
        return {normalize_for(name, target.digest): target for name in names for target in targets.values()}
    full: dict[str, Descriptor] = {}
    for name, target in _archive_names(source):
        if full.setdefault(name, target).digest != target.digest:
            raise InvalidArgument(f"{source.path}: {shown(name)} is the name of several images")
    return full


def is_full(name: str) -> bool:
    """Return whether a name is more than a tag."""
    return any(mark in name for mark in "/:@")


def _archive_names(source: Source) -> Iterator[tuple[str, Descriptor]]:
    nameless = sum(not name for name, _ in source.images)
    for name, target in source.images:
        if is_full(name):
            yield _named(source, name, target), target
        elif name:
            yield normalize(f"{_repository(source)}:{name}"), target
        elif nameless == 1:
            yield normalize(_repository(source)), target
        else:
            yield normalize(f"{_repository(source)}@{target.digest}"), target


def _named(source: Source, name: str, target: Descriptor) -> str:
    """Return the full form of a name in the archive."""
    try:
        return normalize_for(name, target.digest)
    except InvalidArgument as error:
        raise InvalidArgument(f"{source.path}: {error}") from error


def _repository(source: Source) -> str:
    """Return the name of the archive's file, without its ending, if it can be that of an image."""
    name = re.sub(
        r"(\.oci|\.docker)?(\.tar|\.tgz|\.tzst)?(\.gz|\.zst)?$", "", os.path.basename(os.path.abspath(source.path))
    )
    try:
        normalize(f"{name}:0")
    except InvalidArgument as error:
        raise InvalidArgument(f"{source.path}: it does not have the full name of its image: give one") from error
    return name
