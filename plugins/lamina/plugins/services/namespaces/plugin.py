"""Registration of the namespaces service."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.api import Handlers, Service


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


def init_service(ic: InitContext[None]) -> Service:
    """Return the service, which looks the namespaces up for each call."""
    return namespaces_service(lambda: ic.get_single(PluginType.METADATA).namespaces())


def namespaces_service(namespaces: Callable[[], Iterable[str]]) -> Service:
    """Return the service, whose first call loads the rest.

    Args:
        namespaces: Returns the names of all namespaces, or raises the reason why they are not available.
    """
    from lamina.api import LazyMethod, Service
    from lamina.lazy import once

    @once
    def load() -> Handlers:
        from lamina.plugins.services.namespaces._service import NamespacesService

        return NamespacesService(namespaces).handlers

    method = functools.partial(LazyMethod, load=load)
    return Service(
        "containerd.services.namespaces.v1.Namespaces",
        (
            method("Get", slow=True),
            method("List", slow=True),
            method("Create"),
            method("Update"),
            method("Delete"),
        ),
    )
