"""A snapshotter that is somewhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

import attrs
from google.protobuf.message import Message

from lamina.api import encode, info_from_proto, info_to_proto, mounts_from_proto, usage_from_proto
from lamina.api.messages import snapshots_pb2
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.field_mask_pb2 import FieldMask
from lamina.client._connection import Connection
from lamina.errdefs import NotFound
from lamina.mount import Mount
from lamina.snapshots import Info, Snapshotter, Usage

M = TypeVar("M", bound=Message)

_SERVICE = "/containerd.services.snapshots.v1.Snapshots"


@attrs.frozen(eq=False)
class ProxySnapshotter(Snapshotter):
    """Asks a snapshots service for everything. `close` does nothing: the client owns the connection."""

    _connection: Connection
    name: str
    """The name that the service knows the snapshotter by."""

    def stat(self, key: str) -> Info:
        request = encode(snapshots_pb2.StatSnapshotRequest, snapshotter=self.name, key=key)
        return info_from_proto(self._call("Stat", request, snapshots_pb2.StatSnapshotResponse).info)

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
        return mounts_from_proto(self._call("Mounts", request, snapshots_pb2.MountsResponse).mounts)

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
        try:
            for response in responses:
                yield from map(info_from_proto, response.info)
        except NotFound:  # what containerd's snapshotters answer while their store is empty
            return
        finally:
            responses.close()

    def cleanup(self) -> None:
        self._call("Cleanup", encode(snapshots_pb2.CleanupRequest, snapshotter=self.name), Empty)

    def _call(self, method: str, request: Message, response: type[M]) -> M:
        return self._connection.unary(f"{_SERVICE}/{method}", request, response)
