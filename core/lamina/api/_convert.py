"""Between the protocol's messages and the objects of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lamina.api._message import encode
from lamina.api.messages.mount_pb2 import Mount as MountMessage
from lamina.api.messages.platform_pb2 import Platform
from lamina.api.messages.snapshots_pb2 import Info as InfoMessage
from lamina.api.messages.snapshots_pb2 import UsageResponse
from lamina.api.messages.status_pb2 import Status
from lamina.api.messages.timestamp_pb2 import Timestamp
from lamina.errdefs import Error, InvalidArgument, from_status, to_status
from lamina.snapshots import EARLIEST, NANOSECONDS, Info, Kind, Usage, check_time

if TYPE_CHECKING:
    from lamina.mount import Mount

_KINDS = {kind.value: kind for kind in Kind}


def time_to_proto(nanoseconds: int) -> Timestamp:
    """A time on the wire.

    Args:
        nanoseconds: Nanoseconds since 1970, UTC.

    Raises:
        InvalidArgument: It lies outside the years 1 to 9999.
    """
    seconds, nanos = divmod(check_time(nanoseconds), NANOSECONDS)
    return Timestamp(seconds=seconds, nanos=nanos)


def time_from_proto(message: Timestamp) -> int:
    """Nanoseconds since 1970, UTC.

    Raises:
        InvalidArgument: It breaks the bounds of google/protobuf/timestamp.proto: a time in the years 1 to 9999,
            `nanos` from 0 to 999,999,999.
    """
    if not 0 <= message.nanos < NANOSECONDS:
        raise InvalidArgument(f"timestamp with {message.nanos} ns: expected 0 to 999999999")
    return check_time(message.seconds * NANOSECONDS + message.nanos)


def kind_from_proto(number: int) -> Kind:
    """The kind behind a number. As in containerd, a number that means none is a committed snapshot."""
    return _KINDS.get(number, Kind.COMMITTED)


def info_to_proto(info: Info) -> InfoMessage:
    """What is known of a snapshot, on the wire.

    Raises:
        InvalidArgument: A text is not UTF-8, or a time lies outside the years 1 to 9999.
    """
    return encode(
        InfoMessage,
        name=info.name,
        parent=info.parent,
        kind=info.kind.name,
        created_at=time_to_proto(info.created),
        updated_at=time_to_proto(info.updated),
        labels=info.labels,
    )


def info_from_proto(message: InfoMessage) -> Info:
    """What is known of a snapshot. A time that was not sent is Go's zero time, as in containerd.

    Raises:
        InvalidArgument: A time is not one (`time_from_proto`).
    """
    return Info(
        name=message.name,
        kind=kind_from_proto(message.kind),
        parent=message.parent,
        labels=dict(message.labels),
        created=time_from_proto(message.created_at) if message.HasField("created_at") else EARLIEST,
        updated=time_from_proto(message.updated_at) if message.HasField("updated_at") else EARLIEST,
    )


def usage_to_proto(usage: Usage) -> UsageResponse:
    """What a snapshot takes up, on the wire."""
    return encode(UsageResponse, size=usage.size, inodes=usage.inodes)


def usage_from_proto(message: UsageResponse) -> Usage:
    """What a snapshot takes up."""
    return Usage(size=message.size, inodes=message.inodes)


def mounts_to_proto(mounts: Iterable[Mount]) -> list[MountMessage]:
    """Mounts on the wire, in the same order.

    Raises:
        InvalidArgument: A text in one is not UTF-8.
    """
    return [
        encode(MountMessage, type=mount.type, source=mount.source, target=mount.target, options=mount.options)
        for mount in mounts
    ]


def mounts_from_proto(messages: Iterable[MountMessage]) -> list[Mount]:
    """Mounts, in the same order."""
    from lamina.mount import Mount

    return [
        Mount(type=message.type, source=message.source, options=tuple(message.options), target=message.target)
        for message in messages
    ]


def platform_to_proto(platform: str) -> Platform:
    """A platform on the wire.

    Args:
        platform: `os/architecture` or `os/architecture/variant`, in Go's words.
    """
    os, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    return encode(Platform, os=os, architecture=architecture, variant=variant)


def platform_from_proto(message: Platform) -> str:
    """A platform as `os/architecture` or `os/architecture/variant`."""
    return "/".join(filter(None, (message.os, message.architecture, message.variant)))


def error_to_proto(error: BaseException) -> Status:
    """An error as a message, for where it is told about instead of raised (a plugin's `init_err`)."""
    code, message = to_status(error)
    # What a plugin raises may hold any text, and one odd character must not hide the others.
    return encode(Status, code=code, message=message.encode(errors="backslashreplace").decode())


def error_from_proto(message: Status) -> Error:
    """The error that such a message tells about."""
    return from_status(message.code, message.message)
