"""The registration of the health service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from lamina.plugin import InitContext, PluginSet, PluginType, Registration, Status, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.services.health._service import HealthService

ID: Final = "healthcheck"


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the health service."""
    return [Registration(type=PluginType.GRPC, id=ID, init=init_service)]


@hookimpl(tryfirst=True)
def lamina_host_stopping(plugins: PluginSet) -> None:
    """Say that the host stops before anything is closed: plugins that take long to close may come first."""
    for plugin in plugins.of_type(PluginType.GRPC):
        if plugin.id == ID and plugin.status is Status.OK:
            plugin.instance.shutdown()


def init_service(ic: InitContext[None]) -> HealthService:
    """Serve the host's health. The hook tells it when the host stops, or else the listener that stops."""
    from lamina.plugins.services.health._service import HealthService

    return HealthService(ic.get_all)
