"""Registration of the introspection service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.services.introspection._service import IntrospectionService


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the introspection service."""
    return [Registration(type=PluginType.GRPC, id="introspection", init=init_service)]


def init_service(ic: InitContext[None]) -> IntrospectionService:
    """Return the service, and export the directories of the host."""
    from lamina.plugins.services.introspection._service import IntrospectionService

    ic.meta.exports |= {"root": str(ic.root.parent), "state": str(ic.state.parent)}
    return IntrospectionService(ic.get_all, str(ic.root / "uuid"))
