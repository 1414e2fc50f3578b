"""Registration of the namespaces service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.services.namespaces._service import NamespacesService


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the namespaces service."""
    return [
        Registration(
            type=PluginType.GRPC,
            id="namespaces",
            requires=(PluginType.METADATA,),
            late_binding=True,
            init=init_service,
        )
    ]


def init_service(ic: InitContext[None]) -> NamespacesService:
    """Return the service, which looks the namespaces up for each call."""
    from lamina.plugins.services.namespaces._service import NamespacesService

    return NamespacesService(lambda: ic.get_single(PluginType.METADATA).namespaces())
