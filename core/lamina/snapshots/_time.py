"""Times of snapshots: nanoseconds since 1970, any instant that a protobuf Timestamp can hold."""

from __future__ import annotations

import datetime

from lamina.errdefs import InvalidArgument

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""
EARLIEST = -62_135_596_800 * NANOSECONDS
"""0001-01-01T00:00:00Z, which is also Go's zero time (google/protobuf/timestamp.proto)."""
LATEST = 253_402_300_800 * NANOSECONDS - 1
"""The last nanosecond of the year 9999 (google/protobuf/timestamp.proto)."""


def check_time(nanoseconds: int) -> int:
    """Return the time unchanged.

    Args:
        nanoseconds: Nanoseconds since 1970-01-01T00:00:00Z.

    Raises:
        InvalidArgument: It lies outside the years 1 to 9999.
    """
    if not EARLIEST <= nanoseconds <= LATEST:
        raise InvalidArgument(f"time {nanoseconds} ns is outside the years 1 to 9999")
    return nanoseconds


def format_time(nanoseconds: int) -> str:
    """Format a time by RFC 3339 in UTC, without trailing zeros in the fraction, as Go does.

    Args:
        nanoseconds: Nanoseconds since 1970-01-01T00:00:00Z.
    """
    seconds, fraction = divmod(check_time(nanoseconds), NANOSECONDS)
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=seconds)
    digits = f".{fraction:09}".rstrip("0") if fraction else ""
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}{digits}Z"
