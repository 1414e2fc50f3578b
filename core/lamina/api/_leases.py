"""Conversions between messages and the leases of `lamina.metadata`."""

from __future__ import annotations

from lamina.api._codec import encode
from lamina.api._time import time_from_proto, time_to_proto
from lamina.api.messages.leases_pb2 import Lease as LeaseMessage
from lamina.metadata import Lease
from lamina.snapshots import EARLIEST


def lease_to_proto(lease: Lease) -> LeaseMessage:
    """Convert a lease to a message.

    Raises:
        InvalidArgument: A string is not UTF-8, or the time is outside the years 1 to 9999.
    """
    return encode(LeaseMessage, id=lease.id, created_at=time_to_proto(lease.created), labels=lease.labels)


def lease_from_proto(message: LeaseMessage) -> Lease:
    """Convert a message to a lease. As in containerd, a missing time is Go's zero time.

    Raises:
        InvalidArgument: The time is invalid (`time_from_proto`).
    """
    return Lease(
        id=message.id,
        labels=dict(message.labels),
        created=time_from_proto(message.created_at) if message.HasField("created_at") else EARLIEST,
    )
