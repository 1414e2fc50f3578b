"""Read and write manifests and indexes."""

from __future__ import annotations

import re
from typing import Final

from lamina.content import LARGEST_DOCUMENT, Descriptor, check_digest
from lamina.errdefs import DataLoss, FailedPrecondition, InvalidArgument
from lamina.registry._attempts import repeated
from lamina.registry._json import parse_object
from lamina.registry._place import FINAL, Place
from lamina.registry.http import Response

MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""The media types that a registry is asked for."""
_ACCEPT: Final = {"Accept": ", ".join(MANIFEST_TYPES)}
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_ATTEMPTS: Final = 2
"""Attempts to read a document that turns out to be damaged."""


def resolve(place: Place, reference: str) -> Descriptor:
    """Return the descriptor of a tag or a digest."""
    check_reference(reference)
    return repeated(lambda: _head(place, reference) or _get(place, reference)[0], place.limits)


def read_manifest(place: Place, descriptor: Descriptor) -> bytes:
    """Return the document of a descriptor, verified."""
    digest = check_digest(descriptor.digest)
    if descriptor.size > LARGEST_DOCUMENT:
        raise InvalidArgument(
            place.subject(f"manifest {digest} has {descriptor.size} bytes: at most {LARGEST_DOCUMENT} are read")
        )
    found, data = repeated(lambda: _get(place, digest), place.limits)
    if found.size != descriptor.size:
        raise DataLoss(place.subject(f"manifest {digest} has {found.size} bytes, not {descriptor.size}"))
    return data


def write_manifest(place: Place, descriptor: Descriptor, data: bytes, tag: str) -> None:
    """Store a document under its digest, or under a tag and its digest."""
    if _digest(data) != check_digest(descriptor.digest) or len(data) != descriptor.size:
        raise InvalidArgument(place.subject(f"manifest {descriptor.digest}: the data has another digest or size"))
    reference = check_reference(tag or descriptor.digest)
    subject = place.subject(f"write manifest {reference}")
    headers = {"Content-Type": descriptor.media_type}

    def put() -> str:
        with place.request(
            "PUT",
            place.url(f"manifests/{reference}"),
            place.push,
            subject,
            {200, 201, 202, 204},
            headers=headers,
            body=data,
            seconds=place.limits.answer,
        ) as response:
            return response.headers.get("Docker-Content-Digest", descriptor.digest)

    found = repeated(put, place.limits)
    if found != descriptor.digest:
        raise DataLoss(f"{subject}: the registry has it as {found[:100]!r}, not as {descriptor.digest}")


def check_reference(reference: str) -> str:
    """Return the text unchanged if it is a tag or a digest.

    Raises:
        InvalidArgument: It is not.
    """
    if ":" in reference:
        return check_digest(reference)
    if not _TAG.fullmatch(reference):
        raise InvalidArgument(f"tag {reference[:80]!r}: expected up to 128 letters, digits, dots, - and _")
    return reference


def _head(place: Place, reference: str) -> Descriptor | None:
    """Ask for the descriptor alone, which registries do not count as a pull; None if the answer is incomplete."""
    subject = place.subject(f"resolve {reference}")
    with place.request(
        "HEAD", place.url(f"manifests/{reference}"), place.pull, subject, FINAL, headers=_ACCEPT
    ) as response:
        digest = response.headers.get("Docker-Content-Digest", "")
        size = response.headers.get("Content-Length", "")
        media_type = _content_type(response)
        if response.status != 200 or media_type not in MANIFEST_TYPES or not re.fullmatch("[0-9]{1,9}", size):
            return None
        if "Content-Encoding" in response.headers:  # the length may be that of something compressed
            return None
        if not _is_digest(digest) or (":" in reference and digest != reference):
            return None
        return Descriptor(media_type, digest, int(size))


def _get(place: Place, reference: str) -> tuple[Descriptor, bytes]:
    """Read a document, and verify it: by the reference, or for a tag by the digest that the registry sends."""
    for _ in range(_ATTEMPTS):
        found, data, expected = _get_once(place, reference)
        if found.digest == expected:
            return found, data
    raise DataLoss(place.subject(f"read manifest {reference}: its data has digest {found.digest}, not {expected}"))


def _get_once(place: Place, reference: str) -> tuple[Descriptor, bytes, str]:
    subject = place.subject(f"read manifest {reference}")
    with place.request(
        "GET", place.url(f"manifests/{reference}"), place.pull, subject, {200}, headers=_ACCEPT
    ) as response:
        data = response.read(LARGEST_DOCUMENT)
        if len(data) > LARGEST_DOCUMENT:
            raise FailedPrecondition(f"{subject}: it has more than the {LARGEST_DOCUMENT} bytes that are read")
        found = Descriptor(_media_type(response, data), _digest(data), len(data))
        told = response.headers.get("Docker-Content-Digest", "")
    if ":" in reference:
        return found, data, reference
    return found, data, told if _is_digest(told) else found.digest


def _media_type(response: Response, data: bytes) -> str:
    """Return the media type that the document says, or else the registry."""
    said = (parse_object(data) or {}).get("mediaType")
    return said if isinstance(said, str) and said in MANIFEST_TYPES else _content_type(response)


def _content_type(response: Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _digest(data: bytes) -> str:
    import hashlib

    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _is_digest(text: str) -> bool:
    try:
        return check_digest(text) == text
    except InvalidArgument:
        return False
