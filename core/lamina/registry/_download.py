"""Read a blob, in as many pieces as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.content import Descriptor, Progress, Writer, check_digest
from lamina.errdefs import DataLoss
from lamina.registry._attempts import Attempts
from lamina.registry._place import Place
from lamina.registry._ranges import content_range
from lamina.registry.http import Response, Temporary, TooManyRequests


class Download:
    """A blob on its way into a writer. It continues where the writer ends."""

    def __init__(self, place: Place, descriptor: Descriptor, writer: Writer, progress: Progress) -> None:
        """Begin nothing yet; `run` does."""
        self._place = place
        self._descriptor = descriptor
        self._writer = writer
        self._progress = progress
        self._subject = place.subject(f"read blob {check_digest(descriptor.digest)}")
        self._can_ask_for_ranges = True
        self._can_resume = True
        """False once the registry sent again what the writer had: progress is then no reason for more attempts."""

    def run(self) -> None:
        """Write the blob whole, with the right digest."""
        for _ in range(2):
            self._complete()
            found = self._writer.digest
            if found == self._descriptor.digest:
                return
            # What was resumed, or one of the pieces, may have been wrong.
            self._writer.truncate()
        raise DataLoss(f"{self._subject}: its data has digest {found}")

    def _complete(self) -> None:
        if self._writer.status.offset > self._descriptor.size:
            self._writer.truncate()
        attempts = Attempts(self._place.limits)
        self._progress(self._writer.status.offset)
        while self._writer.status.offset < self._descriptor.size:
            try:
                self._continue()
            except (Temporary, TooManyRequests) as error:
                attempts.failed(error, self._writer.status.offset if self._can_resume else 0)

    def _continue(self) -> None:
        offset = self._writer.status.offset
        with self._answer(offset) as (response, start):
            skip = offset - start
            self._can_resume = self._can_resume and not skip
            for piece in response.pieces():
                new = memoryview(piece)[skip:]
                skip -= len(piece) - len(new)
                self._write(new)
        if self._writer.status.offset < self._descriptor.size:
            raise Temporary(
                f"{self._subject}: it ended after {self._writer.status.offset} of {self._descriptor.size} bytes"
            )

    def _write(self, piece: memoryview) -> None:
        offset = self._writer.status.offset
        if offset + len(piece) > self._descriptor.size:
            raise Temporary(f"{self._subject}: it has more than {self._descriptor.size} bytes")
        if piece:
            self._writer.write(piece)
            self._progress(offset + len(piece))

    @contextmanager
    def _answer(self, offset: int) -> Iterator[tuple[Response, int]]:
        """Ask for what is missing; the block gets the answer and the position where it begins."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        asks_for_range = offset > 0 and self._can_ask_for_ranges
        if asks_for_range:
            # With its end: registries are known that refuse a range without one.
            headers["Range"] = f"bytes={offset}-{self._descriptor.size - 1}"
        url = self._place.url(f"blobs/{self._descriptor.digest}")
        statuses = {200, 206, 416} if asks_for_range else {200}
        with self._place.request(
            "GET", url, self._place.pull, self._subject, statuses, headers=headers
        ) as response:
            if response.status == 200:
                yield response, 0
                return
            found = content_range(response.headers.get("Content-Range", ""))
            if response.status == 206 and found and found[0] == offset:
                yield response, offset
                return
            self._can_ask_for_ranges = False
            raise Temporary(f"{self._subject}: asked for the bytes from {offset} on, it sent others")
