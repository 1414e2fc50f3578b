"""Write a blob, in as many requests as it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from lamina.content import Blob, Descriptor, Progress
from lamina.errdefs import DataLoss
from lamina.registry._attempts import Attempts
from lamina.registry._blobs import begin_upload, has_blob, upload_location
from lamina.registry._place import FINAL, Place
from lamina.registry._ranges import uploaded
from lamina.registry.http import URL, BlobBody, Response, Temporary, TooManyRequests

_CHUNK: Final = 16 << 20
"""Bytes of a chunk, once an upload in one request was interrupted or refused."""
_SMALLEST_CHUNK: Final = 1 << 20
_TOO_LARGE: Final = 413
_DONE: Final = frozenset({200, 201, 202, 204})
_LOST: Final = frozenset({400, 404, 416})
"""Statuses of an upload that the registry no longer knows, or has with other data than was sent."""


class Upload:
    """A blob on its way to a registry: first in one request, and in chunks after an interruption.

    It continues at the position that the registry states. Registries differ: distribution 2.8 knows the position
    only between two chunks, and ignores `Content-Range`; so the position is compared with what was sent.
    """

    def __init__(self, place: Place, descriptor: Descriptor, blob: Blob, progress: Progress) -> None:
        """Begin nothing yet; `run` does."""
        self._place = place
        self._digest = descriptor.digest
        self._blob = blob
        self._progress = progress
        self._subject = place.subject(f"write blob {descriptor.digest}")
        self._location: URL | None = None
        self._position = 0
        """Bytes that the registry has."""
        self._chunk = 0
        """Bytes of a chunk; 0 for all in one request."""
        self._smallest_chunk = 0
        self._was_interrupted = False
        self._may_begin_anew = True

    def run(self) -> None:
        """Write the blob whole."""
        attempts = Attempts(self._place.limits)
        while True:
            try:
                return self._continue()
            except (Temporary, TooManyRequests) as error:
                attempts.failed(error, self._position)
            if has_blob(self._place, self._digest, self._place.push):
                return None  # its answer was lost
            self._was_interrupted = True
            self._chunk = self._chunk or _CHUNK

    def _continue(self) -> None:
        if self._was_interrupted and self._location:
            self._ask_for_position(self._location)
        location = self._location or self._begin()
        self._progress(self._position)
        if not self._chunk:
            self._finish(location, BlobBody(self._blob, 0, self._blob.size, self._progress))
            return
        while self._position < self._blob.size:
            location = self._send_chunk(location)
        self._finish(location, b"")

    def _begin(self) -> URL:
        self._position = 0
        self._location, self._smallest_chunk = begin_upload(self._place)
        return self._location

    def _send_chunk(self, location: URL) -> URL:
        start = self._position
        end = min(start + max(self._chunk, self._smallest_chunk), self._blob.size)
        body = BlobBody(self._blob, start, end, self._progress)
        with self._request("PATCH", location, body, {"Content-Range": f"{start}-{end - 1}"}) as response:
            location = self._location = upload_location(self._place, response) or location
            last = uploaded(response.headers.get("Range", ""))
        if last is not None and last != end - 1:
            raise self._lost(f"the registry has {last + 1} bytes, and was sent {end}")
        self._position = end
        return location

    def _finish(self, location: URL, body: bytes | BlobBody) -> None:
        with self._request("PUT", location.with_parameter("digest", self._digest), body) as response:
            found = response.headers.get("Docker-Content-Digest", self._digest)
        if found != self._digest:
            raise DataLoss(f"{self._subject}: the registry has it as {found[:100]!r}")

    def _ask_for_position(self, location: URL) -> None:
        """Find out the position to continue at: the registry's, or the beginning if it states none."""
        with self._place.request("GET", location, self._place.push, self._subject, FINAL) as response:
            last = uploaded(response.headers.get("Range", "")) if response.status in _DONE else None
            self._location = upload_location(self._place, response) or location
        if last and last < self._blob.size:  # 0-0 may stand for no byte
            self._position = last + 1
        else:
            self._location = None

    @contextmanager
    def _request(
        self, method: str, location: URL, body: bytes | BlobBody, headers: Mapping[str, str] | None = None
    ) -> Iterator[Response]:
        with self._place.request(
            method,
            location,
            self._place.push,
            self._subject,
            _DONE | self._surmountable(),
            headers={"Content-Type": "application/octet-stream", **(headers or {})},
            body=body,
            seconds=self._place.limits.answer,
        ) as response:
            if response.status == _TOO_LARGE:
                self._chunk = self._next_chunk()
                raise Temporary(f"{self._subject}: it is too large for one request")
            if response.status in _LOST:
                raise self._lost(f"it answered {response.status}")
            yield response

    def _surmountable(self) -> frozenset[int]:
        """Return the statuses after which another attempt may succeed."""
        too_large = frozenset({_TOO_LARGE} if self._next_chunk() != self._chunk else ())
        return too_large | (_LOST if self._may_begin_anew else frozenset())

    def _next_chunk(self) -> int:
        return max(self._chunk // 4, _SMALLEST_CHUNK) if self._chunk else _CHUNK

    def _lost(self, reason: str) -> Temporary:
        """Give up the upload; the next attempt begins a new one."""
        self._location = None
        self._may_begin_anew = False
        return Temporary(f"{self._subject}: the upload was lost: {reason}")
