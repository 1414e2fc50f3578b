"""Registration of the images service."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.api import Handlers, Service
    from lamina.images import ImageStore
    from lamina.metadata.collection import GarbageCollector

_LOGGED: Final = {"name": "image", "image.name": "image"}
"""Fields of requests that name images, and their name in log lines."""


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


def init_service(ic: InitContext[None]) -> Service:
    """Return the service, which looks up the names of images and the collector for each call."""
    return images_service(
        lambda namespace: ic.get_single(PluginType.METADATA).images(namespace),
        lambda: ic.get_single(PluginType.GC),
    )


def images_service(images: Callable[[str], ImageStore], collector: Callable[[], GarbageCollector]) -> Service:
    """Return the service, whose first call loads the rest.

    Args:
        images: Returns the images of a namespace, or raises the reason why they are not available.
        collector: Returns the collector of a deleted image's blobs, or raises why it is not available.
    """
    from lamina.api import LazyMethod, Service
    from lamina.lazy import once

    @once
    def load() -> Handlers:
        from lamina.plugins.services.images._service import ImagesService

        return ImagesService(images, collector).handlers

    method = functools.partial(LazyMethod, load=load)
    return Service(
        "containerd.services.images.v1.Images",
        (
            method("Get", logged=_LOGGED),
            method("List", slow=True),
            method("Create", slow=True, logged=_LOGGED),
            method("Update", slow=True, logged=_LOGGED),
            method("Delete", slow=True, logged=_LOGGED),
        ),
    )
