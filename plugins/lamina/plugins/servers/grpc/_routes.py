"""Which method answers which path."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable

from lamina.api import Method, Service

_log = logging.getLogger(__name__)


def routes(services: Iterable[Service], served: Container[str] = ()) -> dict[str, Method]:
    """The methods of services by path; of two with one path, the first. What cannot be served is told.

    Args:
        services: The services.
        served: Paths that others serve already.
    """
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
        except Exception as error:  # noqa: BLE001 - one that is broken keeps no other from being served
            _log.error("a service is broken", extra={"service": repr(service)}, exc_info=error)
    return found
