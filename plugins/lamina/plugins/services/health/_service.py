"""`grpc.health.v1.Health`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from lamina.api import Method, Service, encode
from lamina.api.messages.health_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)
from lamina.context import current
from lamina.errdefs import NotFound, describe
from lamina.plugin import Plugin, Status

_log = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
"""Seconds between checks of a watch for outages and for a client that has gone away."""


class HealthService:
    """Reports whether the host as a whole is serving. As in containerd, services have no status of their own.

    The host is serving while no plugin has an outage. An instance may have a method `outage()`, which returns
    without waiting why the plugin cannot work at the moment, or "".
    """

    def __init__(self, plugins: Callable[[], Iterable[Plugin]] = tuple) -> None:
        """Create the service in the state SERVING."""
        self._plugins = plugins
        self._changed = threading.Condition()
        self._stopping = False
        self._outages: dict[str, str] = {}
        """The outages that were logged, by the URI of the plugin."""
        self.service = Service(
            name="grpc.health.v1.Health",
            methods=(
                Method("Check", HealthCheckRequest, self._check),
                Method("Watch", HealthCheckRequest, self._watch, streams=True),
                Method("List", HealthListRequest, self._list),
            ),
        )

    def shutdown(self) -> None:
        """Report NOT_SERVING from now on, and end the streams of watches."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _is_serving(self) -> bool:
        if self._stopping:
            return False
        outages = {plugin.uri: reason for plugin in self._plugins() if (reason := _outage(plugin))}
        if outages.keys() != self._outages.keys():
            _log.warning("health has changed", extra={"serving": not outages, "outages": outages})
        self._outages = outages
        return not outages

    def _check(self, request: HealthCheckRequest) -> HealthCheckResponse:
        if request.service:
            raise NotFound(f"unknown service {request.service!r}")
        return self._response()

    def _watch(self, request: HealthCheckRequest) -> Iterator[HealthCheckResponse]:
        if request.service:
            yield encode(HealthCheckResponse, status=HealthCheckResponse.SERVICE_UNKNOWN)
            while not self._stopping:
                self._wait()
            return
        told = self._response()
        yield told
        while not self._stopping:
            self._wait()
            now = self._response()
            if now.status != told.status:
                told = now
                yield told
        if told.status == HealthCheckResponse.SERVING:  # the service was shut down meanwhile
            yield self._response()

    def _wait(self) -> None:
        """Wait for the next check or the shutdown."""
        current().check()
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, POLL_SECONDS)

    def _list(self, _request: HealthListRequest) -> HealthListResponse:
        return encode(HealthListResponse, statuses={"": self._response()})

    def _response(self) -> HealthCheckResponse:
        status = HealthCheckResponse.SERVING if self._is_serving() else HealthCheckResponse.NOT_SERVING
        return encode(HealthCheckResponse, status=status)


def _outage(plugin: Plugin) -> str:
    """Return the outage of a plugin that works, or "" if it has none."""
    if plugin.status is not Status.OK:
        return ""
    try:
        ask = getattr(plugin.instance, "outage", None)
        return "" if ask is None else str(ask())
    except BaseException as error:  # noqa: BLE001 - any exception of a plugin is an outage, even SystemExit
        return describe(error)
