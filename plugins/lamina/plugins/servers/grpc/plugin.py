"""The registration of the listener."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from lamina.plugin import PROPERTY_GRPC_ADDRESS, InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.servers.grpc.listener import Listener


@attrs.frozen
class ListenerConfig:
    """The socket on which the host answers."""

    address: str = ""
    """The socket's path; empty: `lamina.sock` in the host's state directory."""
    uid: int = attrs.field(default=-1, validator=attrs.validators.ge(-1))
    """Who owns the socket; -1: the host's user."""
    gid: int = attrs.field(default=-1, validator=attrs.validators.ge(-1))
    """Which group may use the socket; -1: the host's group."""
    max_recv_message_size: int = 16 << 20
    """Bytes in a request; 0: grpc's own limit."""
    max_send_message_size: int = 16 << 20
    """Bytes in a response; 0: no limit."""
    quick_workers: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    """How many calls that are soon answered (stat, mounts, health) run at a time."""
    slow_workers: int = attrs.field(default=32, validator=attrs.validators.ge(1))
    """How many calls that may take long (prepare, commit, usage) run at a time."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the listener."""
    return [
        Registration(
            type=PluginType.SERVER,
            id="grpc",
            requires=(PluginType.GRPC,),
            config=ListenerConfig,
            init=init_listener,
        )
    ]


def init_listener(ic: InitContext[ListenerConfig]) -> Listener:
    """Make a listener for every service that works. Those with `shutdown()` are told when it stops."""
    from lamina.plugins.servers.grpc.engine import GrpcioEngine  # noqa: PLC0415 - brings grpc
    from lamina.plugins.servers.grpc.listener import Listener  # noqa: PLC0415 - only a host that serves needs it

    config = ic.config
    plugins = ic.get_by_type(PluginType.GRPC).values()
    engine = GrpcioEngine(
        [plugin.service for plugin in plugins],
        quick_workers=config.quick_workers,
        slow_workers=config.slow_workers,
        max_recv_message_size=config.max_recv_message_size,
        max_send_message_size=config.max_send_message_size,
    )
    return Listener(
        config.address or ic.properties[PROPERTY_GRPC_ADDRESS],
        engine,
        uid=config.uid,
        gid=config.gid,
        stopping=[plugin.shutdown for plugin in plugins if hasattr(plugin, "shutdown")],
    )
