"""The class `Response`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

import urllib3

from lamina.content import PIECE
from lamina.registry.http._errors import TRANSPORT_ERRORS
from lamina.registry.http._url import URL
from lamina.registry.http._watch import Watch


class Response:
    """The answer to a request: a context manager that releases the connection at its end."""

    def __init__(
        self, raw: urllib3.HTTPResponse, url: URL, watch: Watch, release: Callable[[bool], object]
    ) -> None:
        """Wrap a response of urllib3.

        Args:
            raw: The response, without its body.
            url: The URL that answered.
            watch: Watches the connection.
            release: Called with True if the connection can be used again, and with False to close it.
        """
        self._raw = raw
        self._watch = watch
        self._release = release
        self.url = url
        """The URL that answered, after all redirects."""
        self.status = raw.status
        self.headers = raw.headers
        self._has_ended = False

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives. It is not decoded: a digest is that of what was stored.

        Raises:
            Temporary: The connection was cut, or the server stalled.
            Canceled, DeadlineExceeded: The current call ended.
        """
        while piece := self._next():
            with self._watch.paused():
                yield piece

    def read(self, limit: int) -> bytes:
        """Return the body.

        Args:
            limit: Its maximum size in bytes; of a longer one, one byte more is returned.

        Raises:
            Error: As `pieces`.
        """
        data = bytearray()
        while len(data) <= limit and (piece := self._next()):
            data += piece
        return bytes(data[: limit + 1])

    def close(self) -> None:
        """Release the connection. Closing twice does nothing."""
        release, self._release = self._release, _nothing
        self._watch.stop()
        has_ended = self._has_ended or self._raw.length_remaining == 0
        self._raw.close()
        release(has_ended)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next(self) -> bytes:
        try:
            piece = self._raw.read1(PIECE)
        except TRANSPORT_ERRORS as error:
            raise self._watch.failure(error) from None
        self._watch.check()  # a connection that was shut down may look like the end of the body
        self._watch.progress(len(piece))
        self._has_ended = not piece
        return piece


def _nothing(_: bool) -> None:
    pass
