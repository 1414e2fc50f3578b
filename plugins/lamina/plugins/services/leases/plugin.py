"""Registration of the leases service."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.api import Handlers, Service
    from lamina.metadata import LeaseStore
    from lamina.metadata.collection import GarbageCollector

_LOGGED: Final = {"id": "lease", "resource.type": "resource_type", "resource.id": "resource"}
"""Fields of requests that identify leases and their resources, and their names in log lines."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the leases service."""
    return [
        Registration(
            type=PluginType.GRPC,
            id="leases",
            requires=(PluginType.METADATA,),
            late_binding=True,
            init=init_service,
        )
    ]


def init_service(ic: InitContext[None]) -> Service:
    """Return the service, which looks up the leases and the collector for each call."""
    return leases_service(
        lambda namespace: ic.get_single(PluginType.METADATA).leases(namespace),
        lambda: ic.get_single(PluginType.GC),
    )


def leases_service(leases: Callable[[str], LeaseStore], collector: Callable[[], GarbageCollector]) -> Service:
    """Return the service, whose first call loads the rest.

    Args:
        leases: Returns the leases of a namespace, or raises the reason why they are not available.
        collector: Returns the collector of a deleted lease's resources, or raises why it is not available.
    """
    from lamina.api import LazyMethod, Service
    from lamina.lazy import once

    @once
    def load() -> Handlers:
        from lamina.plugins.services.leases._service import LeasesService

        return LeasesService(leases, collector).handlers

    slow = functools.partial(LazyMethod, load=load, slow=True)
    return Service(
        "containerd.services.leases.v1.Leases",
        (
            slow("Create", logged=_LOGGED),
            slow("Delete", logged=_LOGGED),
            slow("List"),
            slow("AddResource", logged=_LOGGED),
            slow("DeleteResource", logged=_LOGGED),
            slow("ListResources", logged=_LOGGED),
        ),
    )
