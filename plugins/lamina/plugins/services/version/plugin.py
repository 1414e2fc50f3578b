"""Registration of the version service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.services.version._service import VersionService


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the version service."""
    return [Registration(type=PluginType.GRPC, id="version", init=init_service)]


def init_service(_ic: InitContext[None]) -> VersionService:
    """Return the service for the version of lamina."""
    from lamina.plugins.services.version._service import VersionService

    return VersionService()
