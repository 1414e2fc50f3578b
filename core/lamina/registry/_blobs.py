"""Look for blobs, and mount them from other repositories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lamina.content import check_digest
from lamina.errdefs import FailedPrecondition, PermissionDenied, Unauthenticated
from lamina.registry._attempts import repeated
from lamina.registry._place import FINAL, Place
from lamina.registry.authentication import Scopes
from lamina.registry.http import URL, Response

_SOURCES: Final = 4
"""Maximum number of repositories from which mounting a blob is tried."""


def has_blob(place: Place, digest: str, scopes: Scopes) -> bool:
    """Return whether a repository has a blob."""
    url = place.url(f"blobs/{check_digest(digest)}")
    subject = place.subject(f"look for blob {digest}")

    def ask() -> bool:
        with place.request("HEAD", url, scopes, subject, {200, 404}) as response:
            return response.status == 200

    return repeated(ask, place.limits)


def mount(place: Place, digest: str, sources: Sequence[str]) -> bool:
    """Let the registry take a blob from one of its other repositories; return whether it did.

    Args:
        place: The repository.
        digest: The blob.
        sources: Repositories that may have it.
    """
    return any(_mount(place, digest, source) for source in sources[:_SOURCES] if source != place.path)


def begin_upload(place: Place) -> tuple[URL, int]:
    """Begin an upload.

    Returns:
        The URL for the data, and the minimum number of bytes that the registry takes at once.
    """
    subject = place.subject("begin an upload")
    with place.request("POST", place.url("blobs/uploads/"), place.push, subject, {202}, body=b"") as response:
        smallest = response.headers.get("OCI-Chunk-Min-Length", "")
        location = upload_location(place, response)
    if location is None:
        raise FailedPrecondition(f"{subject}: the answer does not say where the data goes")
    return location, int(smallest) if smallest.isascii() and smallest.isdecimal() and len(smallest) < 12 else 0


def upload_location(place: Place, response: Response) -> URL | None:
    """Return the URL at which an upload continues; None if the answer does not say.

    Args:
        place: The repository.
        response: An answer about the upload.

    Raises:
        FailedPrecondition: The location is malformed, or without TLS where the registry has it.
    """
    location = response.headers.get("Location")
    return place.session.client.follow(response.url, location) if location else None


def cancel_upload(place: Place, location: URL) -> None:
    """Tell the registry that an upload is given up. In the end it forgets uploads by itself, too."""
    subject = place.subject("cancel an upload")
    with place.request("DELETE", location, place.push, subject, range(200, 600)):
        pass


def _mount(place: Place, digest: str, source: str) -> bool:
    subject = place.subject(f"mount blob {digest} from {source}")
    url = place.url("blobs/uploads/").with_parameter("mount", digest).with_parameter("from", source)
    scopes = place.push | place.at(source).pull

    def ask() -> bool:
        with place.request("POST", url, scopes, subject, FINAL, body=b"") as response:
            location = upload_location(place, response) if response.status == 202 else None
            is_mounted = response.status == 201
        if location:
            cancel_upload(place, location)
        return is_mounted

    try:
        return repeated(ask, place.limits)
    except (Unauthenticated, PermissionDenied):
        return False  # the other repository may not be read: the blob is uploaded
