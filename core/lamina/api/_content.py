"""Conversions between messages and the blobs and ingests of `lamina.content`."""

from __future__ import annotations

from lamina.api._codec import encode
from lamina.api._time import time_from_proto, time_to_proto
from lamina.api.messages.content_pb2 import Info as InfoMessage
from lamina.api.messages.content_pb2 import Status as StatusMessage
from lamina.content import Info, Status
from lamina.snapshots import EARLIEST


def blob_to_proto(info: Info) -> InfoMessage:
    """Convert the info of a blob to a message.

    Raises:
        InvalidArgument: A string is not UTF-8, or a time is outside the years 1 to 9999.
    """
    return encode(
        InfoMessage,
        digest=info.digest,
        size=info.size,
        created_at=time_to_proto(info.created),
        updated_at=time_to_proto(info.updated),
        labels=info.labels,
    )


def blob_from_proto(message: InfoMessage) -> Info:
    """Convert a message to the info of a blob. As in containerd, a missing time is Go's zero time.

    Raises:
        InvalidArgument: A time is invalid (`time_from_proto`).
    """
    return Info(
        digest=message.digest,
        size=message.size,
        labels=dict(message.labels),
        created=time_from_proto(message.created_at) if message.HasField("created_at") else EARLIEST,
        updated=time_from_proto(message.updated_at) if message.HasField("updated_at") else EARLIEST,
    )


def ingest_to_proto(status: Status) -> StatusMessage:
    """Convert the progress of an ingest to a message.

    Raises:
        InvalidArgument: A string is not UTF-8, or a time is outside the years 1 to 9999.
    """
    return encode(
        StatusMessage,
        ref=status.ref,
        offset=status.offset,
        total=status.total,
        started_at=time_to_proto(status.started),
        updated_at=time_to_proto(status.updated),
    )


def ingest_from_proto(message: StatusMessage) -> Status:
    """Convert a message to the progress of an ingest. As in containerd, a missing time is Go's zero time.

    Raises:
        InvalidArgument: A time is invalid (`time_from_proto`).
    """
    return Status(
        ref=message.ref,
        offset=message.offset,
        total=message.total,
        started=time_from_proto(message.started_at) if message.HasField("started_at") else EARLIEST,
        updated=time_from_proto(message.updated_at) if message.HasField("updated_at") else EARLIEST,
    )
