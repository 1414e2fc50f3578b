"""A snapshotter that is somewhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self, TypeVar

from google.protobuf.message import Message

from lamina.api import encode, info_from_proto, info_to_proto, mounts_from_proto, usage_from_proto
from lamina.api.messages import snapshots_pb2
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.field_mask_pb2 import FieldMask
from lamina.client._connection import Connection
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

M = TypeVar("M", bound=Message)

_SERVICE = "/containerd.services.snapshots.v1.Snapshots"
_OF_A_WALK = (FailedPrecondition, InvalidArgument, NotFound, Unavailable)
"""What a walk may raise that comes without its code: see `_classified`."""


class ProxySnapshotter(Snapshotter):
    """Asks a snapshots service for everything.

    It has the one keyspace that the service keeps for the name. `close` closes the connection of what `connect`
    made; otherwise it does nothing, for the client owns the connection.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        quick_timeout: float | None = None,
        *,
        owns_connection: bool = False,
    ) -> None:
        """Ask over a connection.

        Args:
            connection: The connection.
            name: The name that the service knows the snapshotter by.
            quick_timeout: As for `connect`.
            owns_connection: Whether `close` closes the connection.
        """
        self.name = name
        self._connection = connection
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
        """A snapshotter without a client. Connects when it is first used, and again after the server was away.

        Args:
            address: Path of the server's unix socket, with or without `unix://` before it.
            name: The name that the server knows the snapshotter by. Not every server looks at it.
            timeout: Seconds that one call may take; None: as long as it takes.
            quick_timeout: Seconds that `stat` and `mounts` may take, which cost a read, if that is less.
            namespace: containerd namespace of the calls whose context names none.

        Raises:
            InvalidArgument: The address is no path of a unix socket, or too long for one.
        """
        from lamina.client._grpc_connection import GrpcConnection

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
        """As in the contract. The timeout of the client holds for the whole walk, the caller's loop included."""
        request = encode(snapshots_pb2.ListSnapshotsRequest, snapshotter=self.name, filters=filters)
        responses = self._connection.stream(f"{_SERVICE}/List", request, snapshots_pb2.ListSnapshotsResponse)
        begun = False
        try:
            for response in responses:
                begun = True
                yield from map(info_from_proto, response.info)
        except (NotFound, Unknown) as error:
            classified = _classified(error)
            # Until the first snapshot is made, a snapshotter of containerd has no store to walk.
            if begun or not isinstance(classified, NotFound):
                raise classified from error.__cause__
        finally:
            responses.close()

    def cleanup(self) -> None:
        self._call("Cleanup", encode(snapshots_pb2.CleanupRequest, snapshotter=self.name), Empty)

    def keyspace(self, name: str) -> Snapshotter:
        raise Unimplemented(
            f"keyspace {name!r}: a snapshotter behind a socket has the one that its server keeps for {self.name!r}"
        )

    def close(self) -> None:
        if self._owns_connection:
            self._connection.close()

    def _call(self, method: str, request: Message, response: type[M], timeout: float | None = None) -> M:
        return self._connection.unary(f"{_SERVICE}/{method}", request, response, timeout)


def _classified(error: Error) -> Error:
    """The error of a walk in its class.

    containerd's `List` methods (`plugins/services/snapshots`, `contrib/snapshotservice`) return what was raised
    as it is: UNKNOWN on the wire, the class text at the end of the message.
    """
    message, _, text = str(error).rpartition(": ")
    return next((cls(message) for cls in _OF_A_WALK if cls.text == text), error)
