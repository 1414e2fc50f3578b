"""Registration of the content service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.services.content._service import ContentService


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the content service."""
    return [
        Registration(
            type=PluginType.GRPC,
            id="content",
            requires=(PluginType.CONTENT,),
            late_binding=True,
            init=init_service,
        )
    ]


def init_service(ic: InitContext[None]) -> ContentService:
    """Return the service, which looks the content store up for each call."""
    from lamina.plugins.services.content._service import ContentService

    return ContentService(lambda: ic.get_single(PluginType.CONTENT))
