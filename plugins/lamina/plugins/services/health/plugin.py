"""Registration of the health service."""

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
    """Report NOT_SERVING before the first plugin is closed, which may take long."""
    for plugin in plugins.of_type(PluginType.GRPC):
        if plugin.id == ID and plugin.status is Status.OK:
            plugin.instance.shutdown()


def init_service(ic: InitContext[None]) -> HealthService:
    """Return the service. The hook, or the listener that stops, shuts it down."""
    from lamina.plugins.services.health._service import HealthService

    return HealthService(ic.get_all)
