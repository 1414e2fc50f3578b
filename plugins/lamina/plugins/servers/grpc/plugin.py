"""Registration of the listener."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import attrs

from lamina.errdefs import InvalidArgument, Unimplemented
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
    """Return a validator that accepts numbers from `low` to `high`, both included."""

    def check(_: object, __: attrs.Attribute[int], number: int) -> None:
        if not low <= number <= high:
            raise ValueError(f"expected a number from {low} to {high}, found {number}")

    return check


_ID: Final = between(-1, 2**32 - 2)
"""uid_t and gid_t without the last number, which means -1 to chown(2)."""
_SIZE: Final = between(0, 2**31 - 1)
"""gRPC counts bytes in a C int."""
_WORKERS: Final = between(1, 1024)


def _check_address(_: object, __: attrs.Attribute[str], address: str) -> None:
    if address:
        from lamina.plugins.servers.grpc._address import socket_path

        try:
            socket_path(address)
        except InvalidArgument as error:
            raise ValueError(str(error)) from error


@attrs.frozen(eq=False, repr=False)
class ListenerConfig:
    """The socket on which the host answers."""

    address: str = attrs.field(default="", validator=_check_address)
    """Path of the socket; empty for `lamina.sock` in the state directory of the host."""
    uid: int = attrs.field(default=-1, validator=_ID)
    """Owner of the socket; -1 for the user of the host."""
    gid: int = attrs.field(default=-1, validator=_ID)
    """Group that may use the socket; -1 for the group of the host."""
    max_recv_message_size: int = attrs.field(default=16 << 20, validator=_SIZE)
    """Bytes in a request; 0 for gRPC's default."""
    max_send_message_size: int = attrs.field(default=16 << 20, validator=_SIZE)
    """Bytes in a response; 0 for no limit."""
    quick_workers: int = attrs.field(default=8, validator=_WORKERS)
    """Quick calls (stat, mounts, health) that run at a time."""
    slow_workers: int = attrs.field(default=64, validator=_WORKERS)
    """Calls that may block (commit, usage, list; all calls on a snapshotter behind another socket) that run at a
    time: half of them on one snapshotter, and a quarter of one method."""
    engine: Literal["native", "grpcio"] = "native"
    """gRPC library: native is pygrpc-native, which is faster and lighter; grpcio is Google's, and much older."""


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
    """The part of a plugin of type GRPC that the listener uses."""

    @property
    @abc.abstractmethod
    def service(self) -> Service:
        """The service to serve."""


@hookimpl
def lamina_contracts() -> Iterable[Contract]:
    """Register the contract of the plugins that the listener serves."""
    return [Contract(PluginType.GRPC, _GrpcPlugin)]


def listen(config: ListenerConfig, properties: Mapping[str, str]) -> Listener:
    """Create the socket. Calls wait until the returned listener starts."""
    listener = _make_listener(config, properties)
    listener.listen()
    return listener


@hookimpl
def lamina_initialised(plugin: Plugin, plugins: PluginSet) -> None:
    """Serve a service that was initialised after the listener."""
    if plugin.type != PluginType.GRPC:
        return
    for one in plugins.of_type(PluginType.SERVER):
        if one.id == ID and one.status is Status.OK:
            try:
                one.instance.add(list(_services({plugin.id: plugin.instance})))
            except Unimplemented as error:
                _log.warning("not served", extra={"id": plugin.id, "type": plugin.type, "error": str(error)})


def init_listener(ic: InitContext[ListenerConfig]) -> Listener:
    """Create the listener of every service that works. Call `shutdown()` of those that have it when it stops."""
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
    """Import and return an engine by name."""
    if name == "grpcio":
        from lamina.plugins.servers.grpc.engines.grpcio import GrpcioEngine

        return GrpcioEngine
    from lamina.plugins.servers.grpc.engines.native import NativeEngine

    return NativeEngine


def _services(plugins: Mapping[str, Any]) -> Iterator[Service]:
    """Yield the services of plugins, given by id. Log those that cannot be served."""
    from lamina.api import Method, Service

    for plugin_id, plugin in plugins.items():
        service = plugin.service
        methods = service.methods if isinstance(service, Service) else None
        if isinstance(methods, tuple) and all(isinstance(method, Method) for method in methods):
            yield service
        else:
            fields = {"id": plugin_id, "type": PluginType.GRPC, "service": repr(service)}
            _log.error("not served: its service is not a lamina.api.Service with a tuple of methods", extra=fields)
