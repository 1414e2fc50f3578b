"""The registration of the health service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.services.health.service import HealthService


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the health service."""
    return [Registration(type=PluginType.GRPC, id="healthcheck", init=init_service)]


def init_service(_ic: InitContext[None]) -> HealthService:
    """Serve the host's health; a listener tells it when the host stops."""
    from lamina.plugins.services.health.service import HealthService  # noqa: PLC0415 - brings protobuf

    return HealthService()
