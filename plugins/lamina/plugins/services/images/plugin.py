"""Registration of the images service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.services.images._service import ImagesService


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the images service."""
    return [
        Registration(
            type=PluginType.GRPC,
            id="images",
            requires=(PluginType.METADATA,),
            late_binding=True,
            init=init_service,
        )
    ]


def init_service(ic: InitContext[None]) -> ImagesService:
    """Return the service, which looks up the names of images and the collector for each call."""
    from lamina.plugins.services.images._service import ImagesService

    return ImagesService(
        lambda namespace: ic.get_single(PluginType.METADATA).images(namespace),
        lambda: ic.get_single(PluginType.GC),
    )
