"""The registration of the listener."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import attrs

from lamina.errdefs import Unimplemented
from lamina.plugin import (
    PROPERTY_GRPC_ADDRESS,
    Contract,
    InitContext,
    Plugin,
    PluginSet,
    PluginType,
    Registration,
    Status,
    hookimpl,
)

if TYPE_CHECKING:
    from lamina.api import Service
    from lamina.plugins.servers.grpc._listener import Listener
    from lamina.plugins.servers.grpc.engines.grpcio import GrpcioEngine
    from lamina.plugins.servers.grpc.engines.native import NativeEngine

_log = logging.getLogger(__name__)

_Check = Callable[[object, "attrs.Attribute[int]", int], None]


def between(low: int, high: int) -> _Check:
    """A validator that takes numbers from `low` to `high`, both included."""

    def check(_: object, __: attrs.Attribute[int], number: int) -> None:
        if not low <= number <= high:
            raise ValueError(f"expected a number from {low} to {high}, found {number}")

    return check


_ID: Final = between(-1, 2**32 - 2)
"""uid_t and gid_t without their last number, which is -1 to the kernel: chown(2)."""
_SIZE: Final = between(0, 2**31 - 1)
"""gRPC counts bytes in a C int."""
_WORKERS: Final = between(1, 1024)


@attrs.frozen
class ListenerConfig:
    """The socket on which the host answers."""

    address: str = ""
    """The socket's path; empty: `lamina.sock` in the host's state directory."""
    uid: int = attrs.field(default=-1, validator=_ID)
    """Who owns the socket; -1: the host's user."""
    gid: int = attrs.field(default=-1, validator=_ID)
    """Which group may use the socket; -1: the host's group."""
    max_recv_message_size: int = attrs.field(default=16 << 20, validator=_SIZE)
    """Bytes in a request; 0: grpc's own limit."""
    max_send_message_size: int = attrs.field(default=16 << 20, validator=_SIZE)
    """Bytes in a response; 0: no limit."""
    quick_workers: int = attrs.field(default=8, validator=_WORKERS)
    """How many calls that are soon answered (stat, mounts, health) run at a time."""
    slow_workers: int = attrs.field(default=64, validator=_WORKERS)
    """How many calls that may block (commit, usage, list; all on a snapshotter behind another socket) run at a
    time: half of them on one snapshotter, and a quarter of one method."""
    engine: Literal["native", "grpcio"] = "native"
    """What speaks gRPC: native is pygrpc-native, faster and lighter; grpcio is Google's, and much older."""


ID: Final = "grpc"


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the listener."""
    return [
        Registration(
            type=PluginType.SERVER,
            id=ID,
            requires=(PluginType.GRPC,),
            config=ListenerConfig,
            listen=listen,
            init=init_listener,
        )
    ]


class _GrpcPlugin(Protocol):
    """What the listener uses of the plugins of type GRPC."""

    @property
    @abc.abstractmethod
    def service(self) -> Service:
        """The service to serve."""


@hookimpl
def lamina_contracts() -> Iterable[Contract]:
    """Register the contract of the plugins that the listener serves."""
    return [Contract(PluginType.GRPC, _GrpcPlugin)]


def listen(config: ListenerConfig, properties: Mapping[str, str]) -> Listener:
    """Let clients connect: their calls wait until the listener that is returned starts."""
    listener = _make_listener(config, properties)
    listener.listen()
    return listener


@hookimpl
def lamina_initialised(plugin: Plugin, plugins: PluginSet) -> None:
    """Have the listener serve a service that was initialised after it."""
    if plugin.type != PluginType.GRPC:
        return
    for one in plugins.of_type(PluginType.SERVER):
        if one.id == ID and one.status is Status.OK:
            try:
                one.instance.add(list(_services({plugin.id: plugin.instance})))
            except Unimplemented as error:
                _log.warning("not served", extra={"id": plugin.id, "type": plugin.type, "error": str(error)})


def init_listener(ic: InitContext[ListenerConfig]) -> Listener:
    """Let the listener serve every service that works. Those with `shutdown()` are told when it stops."""
    plugins = ic.get_by_type(PluginType.GRPC)
    listener: Listener = ic.listening or _make_listener(ic.config, ic.properties)
    listener.offer(
        _services(plugins),
        [plugin.shutdown for plugin in plugins.values() if hasattr(plugin, "shutdown")],
    )
    return listener


def _make_listener(config: ListenerConfig, properties: Mapping[str, str]) -> Listener:
    from lamina.plugins.servers.grpc._limits import Limits
    from lamina.plugins.servers.grpc._listener import Listener

    limits = Limits(
        quick_workers=config.quick_workers,
        slow_workers=config.slow_workers,
        max_recv_message_size=config.max_recv_message_size,
        max_send_message_size=config.max_send_message_size,
    )
    return Listener(
        config.address or properties[PROPERTY_GRPC_ADDRESS],
        engine_class(config.engine)(limits),
        uid=config.uid,
        gid=config.gid,
    )


def engine_class(name: Literal["native", "grpcio"]) -> type[GrpcioEngine | NativeEngine]:
    """The engine of that name, which alone is imported."""
    if name == "grpcio":
        from lamina.plugins.servers.grpc.engines.grpcio import GrpcioEngine

        return GrpcioEngine
    from lamina.plugins.servers.grpc.engines.native import NativeEngine

    return NativeEngine


def _services(plugins: Mapping[str, Any]) -> Iterator[Service]:
    """The services of plugins, by id; without those that cannot be served, which are told."""
    from lamina.api import Method, Service

    for plugin_id, plugin in plugins.items():
        service = plugin.service
        methods = service.methods if isinstance(service, Service) else None
        if isinstance(methods, tuple) and all(isinstance(method, Method) for method in methods):
            yield service
        else:
            fields = {"id": plugin_id, "type": PluginType.GRPC, "service": repr(service)}
            _log.error("not served: its service is no lamina.api.Service with a tuple of methods", extra=fields)
