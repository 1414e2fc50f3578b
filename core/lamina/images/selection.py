"""Find the manifests of an image, and choose the one for a platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import attrs

from lamina.content import Descriptor
from lamina.context import current
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images.documents import INDEX_TYPES, MANIFEST_TYPES, ImageConfig, Index, Manifest, Platform

Read: TypeAlias = Callable[[Descriptor], bytes]
"""Returns a document, at most `lamina.images.documents.MAX_BYTES` long; raises NotFound if it is not there."""

MAX_NESTING: Final = 8
"""The greatest depth of nested indexes. One is usual, two occur."""
MAX_MANIFESTS: Final = 1000
"""The most manifests of an image."""


@attrs.frozen
class Candidate:
    """A manifest of an image, and what it is for."""

    descriptor: Descriptor
    platform: Platform


def candidates(read: Read, target: Descriptor, name: str) -> list[Candidate]:
    """Return the manifests of an image that can be read, in their order.

    Manifests without a root file system (attestations, other artifacts) are passed over, and so is what an index
    names but is not there. A platform is that of the index, or else that of the configuration.

    Args:
        read: Reads documents.
        target: A manifest or an index.
        name: The name of the image, for messages.

    Raises:
        NotFound: The target is not there.
        InvalidArgument: A document is malformed; indexes are nested deeper than `MAX_NESTING`; there are more
            manifests than `MAX_MANIFESTS`.
    """
    if target.media_type not in MANIFEST_TYPES | INDEX_TYPES:
        raise InvalidArgument(
            f"image {name}: media type {target.media_type[:80]!r} is neither that of a manifest nor of an index"
        )
    read(target)  # unlike what an index names, it must be there
    found: list[Candidate] = []
    for descriptor, platform in _manifests(read, target, name, 0, set()):
        if len(found) == MAX_MANIFESTS:
            raise InvalidArgument(f"image {name}: more than {MAX_MANIFESTS} manifests")
        try:
            own = _platform_of(read, descriptor, platform)
        except NotFound:
            continue
        if own:
            found.append(Candidate(descriptor, own))
    return found


def choose(read: Read, target: Descriptor, name: str, platform: Platform | None = None) -> Candidate:
    """Return the manifest of an image that suits a platform best; of several, the first.

    Args:
        read: Reads documents.
        target: A manifest or an index.
        name: The name of the image, for messages.
        platform: The platform; None for the host's.

    Raises:
        NotFound: There is none for the platform; the message says what there is. Or the target is not there.
        InvalidArgument: As for `candidates`.
    """
    wanted = platform or Platform.host()
    found = candidates(read, target, name)
    ranked = ((rank, one) for one in found if (rank := wanted.rank(one.platform)) is not None)
    best = min(ranked, key=lambda pair: pair[0], default=None)
    if best is None:
        raise NotFound(f"image {name}: {_offer(found, wanted)}")
    return best[1]


def _manifests(
    read: Read, target: Descriptor, name: str, depth: int, seen: set[str]
) -> Iterator[tuple[Descriptor, Platform | None]]:
    """Yield the manifests below a target. Each index is read once, however often others name it."""
    current().check()
    if target.media_type in MANIFEST_TYPES:
        yield target, None
        return
    if target.digest in seen:
        return
    seen.add(target.digest)
    if depth == MAX_NESTING:
        raise InvalidArgument(f"image {name}: indexes are nested more than {MAX_NESTING} deep")
    try:
        data = read(target)
    except NotFound:
        return
    for entry in Index.decode(data, target).entries:
        one = entry.descriptor
        if entry.is_attestation or one.media_type not in MANIFEST_TYPES | INDEX_TYPES:
            continue
        for descriptor, platform in _manifests(read, one, name, depth + 1, seen):
            yield descriptor, platform or entry.platform


def _platform_of(read: Read, descriptor: Descriptor, said: Platform | None) -> Platform | None:
    """Return what a manifest is for, or None if it has no root file system."""
    manifest = Manifest.decode(read(descriptor), descriptor)
    if not manifest.is_image:
        return None
    return said or ImageConfig.decode(read(manifest.config), manifest.config).platform


def _offer(found: list[Candidate], wanted: Platform) -> str:
    if not found:
        return "it has no manifest of a root file system"
    platforms = list(dict.fromkeys(str(one.platform.normalized()) for one in found))
    shown = ", ".join(platforms[:16]) + (", …" if len(platforms) > 16 else "")
    return f"it is for {shown}, not for {wanted}: choose with --platform {platforms[0]}"
