"""Conversions between messages and times."""

from __future__ import annotations

from lamina.api.messages.timestamp_pb2 import Timestamp
from lamina.errdefs import InvalidArgument
from lamina.snapshots import NANOSECONDS, check_time


def time_to_proto(nanoseconds: int) -> Timestamp:
    """Convert a time to a message.

    Args:
        nanoseconds: Nanoseconds since 1970, UTC.

    Raises:
        InvalidArgument: The time is outside the years 1 to 9999.
    """
    seconds, nanos = divmod(check_time(nanoseconds), NANOSECONDS)
    return Timestamp(seconds=seconds, nanos=nanos)


def time_from_proto(message: Timestamp) -> int:
    """Convert a message to nanoseconds since 1970, UTC.

    Raises:
        InvalidArgument: The message violates google/protobuf/timestamp.proto: the years 1 to 9999, and `nanos`
            from 0 to 999,999,999.
    """
    if not 0 <= message.nanos < NANOSECONDS:
        raise InvalidArgument(f"timestamp with {message.nanos} ns: expected 0 to 999999999")
    return check_time(message.seconds * NANOSECONDS + message.nanos)
