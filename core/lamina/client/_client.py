"""`Client`: the services of a lamina host or of containerd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from lamina.api.messages.introspection_pb2 import Plugin as PluginMessage
    from lamina.client._connection import Connection
    from lamina.client._content import RemoteContent
    from lamina.client._records import RemotePlugin, Server, Version
    from lamina.images import ImageStore, Transfer
    from lamina.metadata import LeaseStore
    from lamina.metadata.collection import GarbageCollector
    from lamina.snapshots import Snapshotter

_INTROSPECTION = "/containerd.services.introspection.v1.Introspection"


class Client:
    """A thread-safe client of a lamina host or of containerd. Connects at the first call.

    Each call obeys the deadline and the cancellation of `lamina.context.current()`, and sends its namespace and
    lease.

    In addition to the errors that it lists, each call raises `Unavailable` (nothing listens on the socket),
    `PermissionDenied` (the socket refuses this user), `DeadlineExceeded`, `Canceled`, and `FailedPrecondition`
    after `close`.
    """

    def __init__(
        self, address: str, *, timeout: float | None = None, namespace: str = "", brief: bool = False
    ) -> None:
        """Make a client.

        Args:
            address: Path of the server's unix socket, with or without `unix://` before it.
            timeout: Limit of each call in seconds; None for no limit.
            namespace: containerd namespace of calls whose context has none. lamina does not require one: without,
                images are those of the namespace `default`.
            brief: Call without grpc, for a process that makes a few calls and exits: importing grpc takes longer
                than such calls. Concurrent calls then use one socket each.

        Raises:
            InvalidArgument: The address is not the path of a unix socket, or is too long.
        """
        self._connection: Connection
        if brief:
            from lamina.client._sockets import SocketConnection

            self._connection = SocketConnection(address, timeout, namespace)
        else:
            from lamina.client._grpc import GrpcConnection

            self._connection = GrpcConnection(address, timeout, namespace)

    @property
    def address(self) -> str:
        """The absolute path of the server's socket."""
        return self._connection.path

    def snapshotter(self, name: str) -> Snapshotter:
        """Return a snapshotter of the server. Its name is not checked before the first call on it.

        Args:
            name: Plugin id or alias.
        """
        from lamina.client._snapshotter import ProxySnapshotter

        return ProxySnapshotter(self._connection, name)

    def images(self) -> ImageStore:
        """Return the images of the client's namespace."""
        from lamina.client._images import ProxyImageStore

        return ProxyImageStore(self._connection)

    def namespaces(self) -> list[str]:
        """Return the namespaces of the server, in alphabetical order."""
        from lamina.api.messages.namespaces_pb2 import ListNamespacesRequest, ListNamespacesResponse

        path = "/containerd.services.namespaces.v1.Namespaces/List"
        response = self._connection.unary(path, ListNamespacesRequest(), ListNamespacesResponse)
        return sorted(namespace.name for namespace in response.namespaces)

    def content(self) -> RemoteContent:
        """Return the blobs of the server."""
        from lamina.client._content import RemoteContent

        return RemoteContent(self._connection)

    def transfer(self) -> Transfer:
        """Return the transfer service of the server, a lamina host: it imports, pulls and unpacks images."""
        from lamina.client._transfer import ProxyTransfer

        return ProxyTransfer(self._connection)

    def leases(self) -> LeaseStore:
        """Return the leases of the client's namespace."""
        from lamina.client._leases import ProxyLeaseStore

        return ProxyLeaseStore(self._connection)

    def collector(self) -> GarbageCollector:
        """Return the garbage collector of the server, a lamina host."""
        from lamina.client._collector import ProxyCollector

        return ProxyCollector(self._connection)

    def plugins(self, *filters: str) -> list[RemotePlugin]:
        """Return the server's plugins, including failed and skipped ones, in order of initialisation.

        Args:
            filters: Filters on `type` and `id`; without any, all plugins are returned.

        Raises:
            InvalidArgument: A filter has a syntax error.
        """
        from lamina.api import encode
        from lamina.api.messages.introspection_pb2 import PluginsRequest, PluginsResponse

        request = encode(PluginsRequest, filters=filters)
        response = self._connection.unary(f"{_INTROSPECTION}/Plugins", request, PluginsResponse)
        return [_plugin(message) for message in response.plugins]

    def server(self) -> Server:
        """Return the identity of the server."""
        from lamina.api.messages.empty_pb2 import Empty
        from lamina.api.messages.introspection_pb2 import ServerResponse
        from lamina.client._records import Server

        response = self._connection.unary(f"{_INTROSPECTION}/Server", Empty(), ServerResponse)
        return Server(uuid=response.uuid, pid=response.pid, pidns=response.pidns)

    def version(self) -> Version:
        """Return the version of the server."""
        from lamina.api.messages.empty_pb2 import Empty
        from lamina.api.messages.version_pb2 import VersionResponse
        from lamina.client._records import Version

        path = "/containerd.services.version.v1.Version/Version"
        response = self._connection.unary(path, Empty(), VersionResponse)
        return Version(version=response.version, revision=response.revision)

    def healthy(self) -> bool:
        """Return whether the server reports that it is serving."""
        from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse

        path = "/grpc.health.v1.Health/Check"
        response = self._connection.unary(path, HealthCheckRequest(), HealthCheckResponse)
        return response.status == HealthCheckResponse.SERVING

    def copy_metastore(self) -> Iterator[bytes]:
        """Yield a consistent copy of the metastore's file, in chunks from start to end.

        Raises:
            Unimplemented: The server is not a lamina host, or has no metastore.
            ResourceExhausted: The host has no space for the copy, or is sending too many already.
        """
        from lamina.api.messages.metastore_pb2 import CopyRequest, CopyResponse

        path = "/lamina.services.metastore.v1.Metastore/Copy"
        for response in self._connection.stream(path, CopyRequest(), CopyResponse):
            yield response.data

    def close(self) -> None:
        """Cancel the calls in flight and close the connection. Does nothing if it is closed."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _plugin(message: PluginMessage) -> RemotePlugin:
    from lamina.api import details_from_proto, error_from_proto, exports_from_proto, platform_from_proto
    from lamina.client._records import RemotePlugin

    return RemotePlugin(
        type=message.type,
        id=message.id,
        requires=tuple(message.requires),
        platforms=tuple(map(platform_from_proto, message.platforms)),
        exports=exports_from_proto(message),
        capabilities=tuple(message.capabilities),
        init_error=error_from_proto(message.init_err) if message.HasField("init_err") else None,
        details=details_from_proto(message),
    )
