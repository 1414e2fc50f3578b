"""`Client`: the way in."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lamina.client._snapshotter import ProxySnapshotter
from lamina.snapshots import Snapshotter

if TYPE_CHECKING:
    from lamina.api.messages.introspection_pb2 import Plugin as PluginMessage
    from lamina.client._connection import Connection
    from lamina.client._records import Plugin, Server, Version

_INTROSPECTION = "/containerd.services.introspection.v1.Introspection"


class Client:
    """A client of a lamina host, or of containerd. Connects when it is first used; may be used from any thread.

    Every call honours `lamina.context.current()`: its deadline and cancellation, and its namespace and lease
    are passed on.

    Every call raises, besides what it lists: `Unavailable` (nobody listens there), `PermissionDenied` (the socket
    may not be used), `DeadlineExceeded`, `Canceled`, and `FailedPrecondition` after `close`.
    """

    def __init__(
        self, address: str, *, timeout: float | None = None, namespace: str = "", brief: bool = False
    ) -> None:
        """Make a client.

        Args:
            address: Path of the server's unix socket, with or without `unix://` before it.
            timeout: Seconds that one call may take; None: as long as it takes.
            namespace: containerd namespace of the calls whose context names none. lamina needs none.
            brief: Whether this process makes a few calls and ends. It does without grpc then, which takes longer
                to import than such calls take, and makes each of the calls that run side by side on a socket of
                its own.

        Raises:
            InvalidArgument: The address is no path of a unix socket, or too long for one.
        """
        self._connection: Connection
        if brief:
            from lamina.client._socket_connection import SocketConnection

            self._connection = SocketConnection(address, timeout, namespace)
        else:
            from lamina.client._grpc_connection import GrpcConnection

            self._connection = GrpcConnection(address, timeout, namespace)

    @property
    def address(self) -> str:
        """The absolute path of the server's socket."""
        return self._connection.path

    def snapshotter(self, name: str) -> Snapshotter:
        """A snapshotter of the server. Asks nothing: a name that it does not know shows at the first call.

        Args:
            name: Plugin id, or an alias.
        """
        return ProxySnapshotter(self._connection, name)

    def plugins(self, *filters: str) -> list[Plugin]:
        """The server's plugins, failed and skipped ones too, in order of initialisation.

        Args:
            filters: Which ones, by `type` and `id`; none: all of them.

        Raises:
            InvalidArgument: A filter does not follow the grammar.
        """
        from lamina.api import encode
        from lamina.api.messages.introspection_pb2 import PluginsRequest, PluginsResponse

        request = encode(PluginsRequest, filters=filters)
        response = self._connection.unary(f"{_INTROSPECTION}/Plugins", request, PluginsResponse)
        return [_plugin(message) for message in response.plugins]

    def server(self) -> Server:
        """Which server answers."""
        from lamina.api.messages.empty_pb2 import Empty
        from lamina.api.messages.introspection_pb2 import ServerResponse
        from lamina.client._records import Server

        response = self._connection.unary(f"{_INTROSPECTION}/Server", Empty(), ServerResponse)
        return Server(uuid=response.uuid, pid=response.pid, pidns=response.pidns)

    def version(self) -> Version:
        """The server's version."""
        from lamina.api.messages.empty_pb2 import Empty
        from lamina.api.messages.version_pb2 import VersionResponse
        from lamina.client._records import Version

        path = "/containerd.services.version.v1.Version/Version"
        response = self._connection.unary(path, Empty(), VersionResponse)
        return Version(version=response.version, revision=response.revision)

    def healthy(self) -> bool:
        """Whether the server says that it is serving. Raises `Unavailable` where there is nobody to ask."""
        from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse

        path = "/grpc.health.v1.Health/Check"
        response = self._connection.unary(path, HealthCheckRequest(), HealthCheckResponse)
        return response.status == HealthCheckResponse.SERVING

    def copy_metastore(self) -> Iterator[bytes]:
        """A copy of the metastore's file as it is at one moment, in pieces, from its first byte to its last.

        Raises:
            Unimplemented: The server is no lamina host, or has no metastore.
            ResourceExhausted: It has no space for the copy, or sends many already.
        """
        from lamina.api.messages.metastore_pb2 import CopyRequest, CopyResponse

        path = "/lamina.services.metastore.v1.Metastore/Copy"
        for response in self._connection.stream(path, CopyRequest(), CopyResponse):
            yield response.data

    def close(self) -> None:
        """End the calls under way, as cancelled, and close the connection. Calling it again does nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _plugin(message: PluginMessage) -> Plugin:
    from lamina.api import (
        details_from_proto,
        error_from_proto,
        exports_from_proto,
        platform_from_proto,
    )
    from lamina.client._records import Plugin

    return Plugin(
        type=message.type,
        id=message.id,
        requires=tuple(message.requires),
        platforms=tuple(map(platform_from_proto, message.platforms)),
        exports=exports_from_proto(message),
        capabilities=tuple(message.capabilities),
        init_error=error_from_proto(message.init_err) if message.HasField("init_err") else None,
        details=details_from_proto(message),
    )
