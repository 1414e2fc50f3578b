"""Registration of the leases service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.services.leases._service import LeasesService


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


def init_service(ic: InitContext[None]) -> LeasesService:
    """Return the service, which looks up the leases and the collector for each call."""
    from lamina.plugins.services.leases._service import LeasesService

    return LeasesService(
        lambda namespace: ic.get_single(PluginType.METADATA).leases(namespace),
        lambda: ic.get_single(PluginType.GC),
    )
