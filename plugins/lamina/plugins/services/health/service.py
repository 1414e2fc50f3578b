"""`grpc.health.v1.Health`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final

from lamina.api import Method, Service, encode
from lamina.api.messages.health_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)
from lamina.context import current
from lamina.errdefs import NotFound

NOTICE: Final = 1.0
"""Seconds after which somebody who watches in vain is looked after: it may have gone away."""


class HealthService:
    """Tells whether the host as a whole is serving. As in containerd, no service has a status of its own."""

    def __init__(self) -> None:
        """Begin as serving."""
        self._changed = threading.Condition()
        self._serving = True
        self.service = Service(
            name="grpc.health.v1.Health",
            methods=(
                Method("Check", HealthCheckRequest, self._check),
                Method("Watch", HealthCheckRequest, self._watch, streams=True),
                Method("List", HealthListRequest, self._list),
            ),
        )

    def shutdown(self) -> None:
        """Say from now on that the host is not serving. Those who watch are told, and their streams end."""
        with self._changed:
            self._serving = False
            self._changed.notify_all()

    def _check(self, request: HealthCheckRequest) -> HealthCheckResponse:
        if request.service:
            raise NotFound(f"unknown service {request.service!r}")
        return self._response()

    def _watch(self, request: HealthCheckRequest) -> Iterator[HealthCheckResponse]:
        if request.service:
            yield encode(HealthCheckResponse, status=HealthCheckResponse.SERVICE_UNKNOWN)
            self._wait_for_shutdown()
            return
        first = self._response()
        yield first
        if first.status == HealthCheckResponse.SERVING:
            self._wait_for_shutdown()
            yield self._response()

    def _wait_for_shutdown(self) -> None:
        while self._serving:
            current().check()
            with self._changed:
                self._changed.wait_for(lambda: not self._serving, NOTICE)

    def _list(self, _request: HealthListRequest) -> HealthListResponse:
        return encode(HealthListResponse, statuses={"": self._response()})

    def _response(self) -> HealthCheckResponse:
        status = HealthCheckResponse.SERVING if self._serving else HealthCheckResponse.NOT_SERVING
        return encode(HealthCheckResponse, status=status)
