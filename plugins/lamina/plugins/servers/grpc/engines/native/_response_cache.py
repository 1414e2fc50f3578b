"""`ResponseCache`: responses that are given again to calls that repeat a request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import attrs

from lamina.api import VersionedResponse
from lamina.plugins.servers.grpc.engines.native._in_flight import Call

_log = logging.getLogger(__name__)

MAX_RESPONSES: Final = 512
"""Maximum number of responses kept."""
MAX_SIZE: Final = 16 << 10
"""Maximum size in bytes of a request and its response that are kept: with `MAX_RESPONSES`, 8 MiB in all."""


@attrs.define(eq=False, repr=False)  # not frozen, which makes each several times as expensive
class CachedResponse:
    """A response that was given before."""

    data: bytes
    snapshotter: str
    """The snapshotter that it came from, for metrics."""
    version: object
    """As in `VersionedResponse`, without its message."""
    current_version: Callable[[], object]


class ResponseCache:
    """The serialised responses of calls, as long as their versions are the present ones.

    Any thread may call any method.
    """

    def __init__(self) -> None:
        """Create an empty cache."""
        self._responses: dict[tuple[str, bytes], CachedResponse] = {}

    def get(self, path: str, request: bytes) -> CachedResponse | None:
        """Return the response to a request, given encoded; None if the handler must be asked.

        Args:
            path: The path of the method.
            request: The request.
        """
        found = self._responses.get((path, request))
        if found is None:
            return None
        try:
            is_present = found.current_version() == found.version
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything: its handler is asked
            _log.error("a plugin cannot tell a version", exc_info=error, extra={"method": path})
            return None
        return found if is_present else None

    def add(self, call: Call, data: bytes, response: VersionedResponse) -> None:
        """Keep the response to a call, if it is small.

        Args:
            call: The call, with its encoded request.
            data: The response, serialised.
            response: The response as the handler returned it.
        """
        if len(call.data) + len(data) > MAX_SIZE:
            return
        if len(self._responses) >= MAX_RESPONSES:
            self._responses.clear()  # most are of versions that are gone
        snapshotter = call.context.tags.get("snapshotter", "")
        cached = CachedResponse(data, snapshotter, response.version, response.current_version)
        self._responses[call.path, call.data] = cached
