"""Find the manifests of an image, and choose the one for a platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, TypeAlias

import attrs

from lamina.content import Descriptor
from lamina.context import current
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images.documents import INDEX_TYPES, MANIFEST_TYPES, ImageConfig, Index, Manifest, Platform

Read: TypeAlias = Callable[[Descriptor], bytes]
"""Returns a document, at most `lamina.images.documents.MAX_BYTES` long; raises NotFound if it is not there."""

MAX_NESTING: Final = 8
"""Maximum depth of nested indexes. One is usual, two occur."""
MAX_MANIFESTS: Final = 1000
"""Maximum number of manifests of an image."""


@attrs.frozen
class Candidate:
    """A manifest of an image, and its platform."""

    descriptor: Descriptor
    platform: Platform


def candidates(read: Read, target: Descriptor, name: str) -> list[Candidate]:
    """Return the manifests of an image that can be read, in their order.

    Manifests without a root file system (attestations, other artifacts) are passed over, and so are manifests
    that an index names but that are not there. The platform is that in the index, or else in the configuration.

    Args:
        read: Reads documents.
        target: A manifest or an index.
        name: The name of the image, for messages.

    Raises:
        NotFound: The target is not there.
        InvalidArgument: A document is malformed; indexes are nested deeper than `MAX_NESTING`; there are more
            manifests than `MAX_MANIFESTS`.
    """
    found = (_candidate(read, *one) for one in _named(read, target, name))
    return [one for one in found if one]


def choose(read: Read, target: Descriptor, name: str, platform: Platform | None = None) -> Candidate:
    """Return the manifest of an image that suits a platform best; of several, the first.

    Manifests that are for other platforms, according to the index, are not read.

    Args:
        read: Reads documents.
        target: A manifest or an index.
        name: The name of the image, for messages.
        platform: The platform; None for the host's.

    Raises:
        NotFound: There is none for the platform; the message lists the platforms. Or the target is not there.
        InvalidArgument: As for `candidates`.
    """
    wanted = platform or Platform.host()
    best: tuple[int, int, Candidate] | None = None
    for rank, number, descriptor, said in _suitable(_named(read, target, name), wanted):
        if best and best[0] < rank:
            break
        one = _candidate(read, descriptor, said)
        own = wanted.rank(one.platform) if one else None
        if one and own is not None and (best is None or (own, number) < best[:2]):
            best = own, number, one
    if best is None:
        raise NotFound(f"image {name}: {_offer(candidates(read, target, name), wanted)}")
    return best[2]


def is_for(read: Read, target: Descriptor, name: str, platform: Platform | None) -> bool:
    """Return whether `choose` would find a manifest; arguments and errors are the same."""
    wanted = platform or Platform.host()
    return any(wanted.rank(one.platform) is not None for one in candidates(read, target, name))


def chosen(
    read: Read, target: Descriptor, name: str, platform: Platform | None, *, all_platforms: bool
) -> list[Candidate]:
    """Return the manifest for a platform, or those for all.

    Args:
        read: Reads documents.
        target: A manifest or an index.
        name: The name of the image, for messages.
        platform: The platform; None for the host's.
        all_platforms: Return all that can be read.

    Raises:
        NotFound: There is none.
        InvalidArgument: As for `candidates`.
    """
    if not all_platforms:
        return [choose(read, target, name, platform)]
    found = candidates(read, target, name)
    if not found:
        raise NotFound(f"image {name}: it has no manifest of a root file system")
    return found


def _suitable(
    named: list[tuple[Descriptor, Platform | None]], wanted: Platform
) -> list[tuple[int, int, Descriptor, Platform | None]]:
    """Return the manifests that may suit a platform, the best first, with their rank and place.

    Those whose platform the index does not tell have the rank -1: they have to be read.
    """
    ranked = ((-1 if said is None else wanted.rank(said), said) for _, said in named)
    found = [
        (rank, number, named[number][0], said) for number, (rank, said) in enumerate(ranked) if rank is not None
    ]
    return sorted(found, key=lambda one: one[:2])


def _named(read: Read, target: Descriptor, name: str) -> list[tuple[Descriptor, Platform | None]]:
    """Return the manifests that an image names, and what its indexes say that they are for."""
    if target.media_type not in MANIFEST_TYPES | INDEX_TYPES:
        raise InvalidArgument(
            f"image {name}: media type {target.media_type[:80]!r} is neither that of a manifest nor of an index"
        )
    read(target)  # unlike what an index names, it must be there
    found = list(islice(_manifests(read, target, name, 0, set()), MAX_MANIFESTS + 1))
    if len(found) > MAX_MANIFESTS:
        raise InvalidArgument(f"image {name}: more than {MAX_MANIFESTS} manifests")
    return found


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


def _candidate(read: Read, descriptor: Descriptor, said: Platform | None) -> Candidate | None:
    """Return a manifest with its platform; None if it is not there, or has no root file system."""
    try:
        manifest = Manifest.decode(read(descriptor), descriptor)
        if not manifest.is_image:
            return None
        platform = said or ImageConfig.decode(read(manifest.config), manifest.config).platform
    except NotFound:
        return None
    return Candidate(descriptor, platform)


def _offer(found: list[Candidate], wanted: Platform) -> str:
    if not found:
        return "it has no manifest of a root file system"
    platforms = list(dict.fromkeys(str(one.platform.normalized()) for one in found))
    shown = ", ".join(platforms[:16]) + (", …" if len(platforms) > 16 else "")
    return f"it is for {shown}, not for {wanted}: choose with --platform {platforms[0]}"
