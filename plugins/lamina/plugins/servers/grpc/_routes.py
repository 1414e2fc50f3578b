"""Methods by the path at which gRPC calls them."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable

from lamina.api import Method, Service

_log = logging.getLogger(__name__)


def routes(services: Iterable[Service], served: Container[str] = ()) -> dict[str, Method]:
    """Return the methods of services by path, the first of those that share one. Log the others."""
    found: dict[str, Method] = {}
    for service in services:
        try:
            for method in service.methods:
                path = service.path(method)
                if path in found or path in served:
                    fields = {"method": path}
                    _log.error("two plugins offer the same method: the first one serves", extra=fields)
                else:
                    found[path] = method
        except BaseException as error:  # noqa: BLE001 - a broken service must not affect the others
            _log.error("a service is broken", extra={"service": repr(service)}, exc_info=error)
    return found
