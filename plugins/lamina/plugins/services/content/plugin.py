"""Registration of the content service."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.api import Handlers, Service
    from lamina.content import ContentStore

_LOGGED: Final = {"digest": "digest", "info.digest": "digest", "ref": "ref"}
"""Fields of requests that identify blobs and ingests, and their names in log lines."""


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


def init_service(ic: InitContext[None]) -> Service:
    """Return the service, which looks the content store up for each call."""
    return content_service(lambda: ic.get_single(PluginType.CONTENT))


def content_service(content: Callable[[], ContentStore]) -> Service:
    """Return the service, whose first call loads the rest. There is no `Write`: its client streams.

    Args:
        content: Returns the store, or raises the reason why it is not available.
    """
    from lamina.api import LazyMethod, Service
    from lamina.lazy import once

    @once
    def load() -> Handlers:
        from lamina.plugins.services.content._service import ContentService

        return ContentService(content).handlers

    slow = functools.partial(LazyMethod, load=load, slow=True)
    return Service(
        "containerd.services.content.v1.Content",
        (
            slow("Info", logged=_LOGGED),
            slow("Update", logged=_LOGGED),
            slow("List", streams=True),
            slow("Delete", logged=_LOGGED),
            slow("Read", streams=True, logged=_LOGGED),
            slow("Status", logged=_LOGGED),
            slow("ListStatuses"),
            slow("Abort", logged=_LOGGED),
        ),
    )
