"""Registration of the introspection service."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lamina.plugin import PROPERTY_ROOT_DIR, PROPERTY_STATE_DIR, InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.api import Handlers, Service
    from lamina.plugin import Plugin


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the introspection service."""
    return [Registration(type=PluginType.GRPC, id="introspection", init=init_service)]


def init_service(ic: InitContext[None]) -> Service:
    """Return the service, and export the directories of the host."""
    root, state = ic.properties[PROPERTY_ROOT_DIR], ic.properties[PROPERTY_STATE_DIR]
    ic.meta.exports |= {"root": os.path.dirname(root), "state": os.path.dirname(state)}
    return introspection_service(ic.get_all, os.path.join(root, "uuid"))


def introspection_service(plugins: Callable[[], Iterable[Plugin]], uuid_path: str) -> Service:
    """Return the service, whose first call loads the rest. Nothing is read or written before.

    Args:
        plugins: Returns the records so far, in the order of initialisation.
        uuid_path: Path of the file with the UUID of the host, created at its first use.
    """
    from lamina.api import LazyMethod, Service
    from lamina.lazy import once

    @once
    def load() -> Handlers:
        from lamina.plugins.services.introspection._service import IntrospectionService

        return IntrospectionService(plugins, uuid_path).handlers

    method = functools.partial(LazyMethod, load=load)
    return Service(
        "containerd.services.introspection.v1.Introspection",
        (
            method("Plugins", slow=True),  # filters take time
            method("Server"),
            method("PluginInfo"),
        ),
    )
