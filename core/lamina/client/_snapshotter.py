"""`ProxySnapshotter`: a snapshotter behind a socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

from lamina.api import encode, info_from_proto, info_to_proto, mounts_from_proto, usage_from_proto
from lamina.api.messages import snapshots_pb2
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.field_mask_pb2 import FieldMask
from lamina.client._connection import Connection, ServiceClient
from lamina.errdefs import (
    Error,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
    Unimplemented,
    Unknown,
)
from lamina.snapshots import Info, Snapshotter, Usage

if TYPE_CHECKING:
    from lamina.mount import Mount

_WALK_ERRORS = (FailedPrecondition, InvalidArgument, NotFound, Unavailable)
"""Errors of a walk that arrive without their code: see `_classified`."""


class ProxySnapshotter(ServiceClient, Snapshotter):
    """Forwards every call to a snapshots service.

    It has a single keyspace, the one that the service keeps for the name. `close` closes the connection if
    `connect` made it; a client closes its own.
    """

    service = "containerd.services.snapshots.v1.Snapshots"

    def __init__(
        self,
        connection: Connection,
        name: str,
        quick_timeout: float | None = None,
        *,
        owns_connection: bool = False,
    ) -> None:
        """Use an existing connection.

        Args:
            connection: The connection.
            name: The service's name of the snapshotter.
            quick_timeout: See `connect`.
            owns_connection: Whether `close` closes the connection.
        """
        super().__init__(connection)
        self.name = name
        self._quick_timeout = quick_timeout
        self._owns_connection = owns_connection

    @classmethod
    def connect(
        cls,
        address: str,
        name: str,
        *,
        timeout: float | None = None,
        quick_timeout: float | None = None,
        namespace: str = "",
    ) -> Self:
        """Make a snapshotter without a client, which connects at the first call and reconnects when needed.

        Args:
            address: Path of the server's unix socket, with or without `unix://` before it.
            name: The server's name of the snapshotter. Some servers ignore it.
            timeout: Limit of each call in seconds; None for no limit.
            quick_timeout: Limit of `stat` and `mounts` in seconds, if shorter.
            namespace: containerd namespace of calls whose context has none.

        Raises:
            InvalidArgument: The address is not the path of a unix socket, or is too long.
        """
        from lamina.client._grpc import GrpcConnection

        connection = GrpcConnection(address, timeout, namespace, server="its server")
        return cls(connection, name, quick_timeout, owns_connection=True)

    def stat(self, key: str) -> Info:
        request = encode(snapshots_pb2.StatSnapshotRequest, snapshotter=self.name, key=key)
        response = self._call("Stat", request, snapshots_pb2.StatSnapshotResponse, self._quick_timeout)
        return info_from_proto(response.info)

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        request = encode(
            snapshots_pb2.UpdateSnapshotRequest,
            snapshotter=self.name,
            info=info_to_proto(info),
            update_mask=encode(FieldMask, paths=fieldpaths) if fieldpaths else None,
        )
        return info_from_proto(self._call("Update", request, snapshots_pb2.UpdateSnapshotResponse).info)

    def usage(self, key: str) -> Usage:
        request = encode(snapshots_pb2.UsageRequest, snapshotter=self.name, key=key)
        return usage_from_proto(self._call("Usage", request, snapshots_pb2.UsageResponse))

    def mounts(self, key: str) -> list[Mount]:
        request = encode(snapshots_pb2.MountsRequest, snapshotter=self.name, key=key)
        response = self._call("Mounts", request, snapshots_pb2.MountsResponse, self._quick_timeout)
        return mounts_from_proto(response.mounts)

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        request = encode(
            snapshots_pb2.PrepareSnapshotRequest, snapshotter=self.name, key=key, parent=parent, labels=labels
        )
        return mounts_from_proto(self._call("Prepare", request, snapshots_pb2.PrepareSnapshotResponse).mounts)

    def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        request = encode(
            snapshots_pb2.ViewSnapshotRequest, snapshotter=self.name, key=key, parent=parent, labels=labels
        )
        return mounts_from_proto(self._call("View", request, snapshots_pb2.ViewSnapshotResponse).mounts)

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        request = encode(
            snapshots_pb2.CommitSnapshotRequest,
            snapshotter=self.name,
            name=name,
            key=key,
            labels=labels,
            parent=parent,
        )
        self._call("Commit", request, Empty)

    def remove(self, key: str) -> None:
        request = encode(snapshots_pb2.RemoveSnapshotRequest, snapshotter=self.name, key=key)
        self._call("Remove", request, Empty)

    def walk(self, *filters: str) -> Iterator[Info]:
        """See `Snapshotter.walk`. The timeout covers the whole walk, including the body of the caller's loop."""
        request = encode(snapshots_pb2.ListSnapshotsRequest, snapshotter=self.name, filters=filters)
        responses = self._stream("List", request, snapshots_pb2.ListSnapshotsResponse)
        begun = False
        try:
            for response in responses:
                begun = True
                yield from map(info_from_proto, response.info)
        except (NotFound, Unknown) as error:
            classified = _classified(error)
            # containerd's snapshotters answer NotFound until they have their first snapshot.
            if begun or not isinstance(classified, NotFound):
                raise classified from error.__cause__
        finally:
            responses.close()

    def cleanup(self) -> None:
        self._call("Cleanup", encode(snapshots_pb2.CleanupRequest, snapshotter=self.name), Empty)

    def keyspace(self, name: str) -> Snapshotter:
        raise Unimplemented(
            f"keyspace {name!r}: a snapshotter behind a socket has only the one of the server for {self.name!r}"
        )

    def close(self) -> None:
        if self._owns_connection:
            self._connection.close()


def _classified(error: Error) -> Error:
    """Return the error of a walk in its own class.

    containerd's `List` methods (`plugins/services/snapshots`, `contrib/snapshotservice`) do not convert errors:
    they arrive as UNKNOWN, with the class text at the end of the message.
    """
    message, _, text = str(error).rpartition(": ")
    return next((cls(message) for cls in _WALK_ERRORS if cls.text == text), error)
