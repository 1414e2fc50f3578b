"""Conversions between messages and the objects of `lamina.snapshots`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lamina.api._codec import encode
from lamina.api._time import time_from_proto, time_to_proto
from lamina.api.messages.mount_pb2 import Mount as MountMessage
from lamina.api.messages.platform_pb2 import Platform
from lamina.api.messages.snapshots_pb2 import Info as InfoMessage
from lamina.api.messages.snapshots_pb2 import UsageResponse
from lamina.api.messages.status_pb2 import Status
from lamina.errdefs import Error, from_status, to_status
from lamina.snapshots import EARLIEST, Info, Kind, Usage

if TYPE_CHECKING:
    from lamina.mount import Mount

_KINDS = {kind.value: kind for kind in Kind}


def kind_from_proto(number: int) -> Kind:
    """Return the kind of a number. As in containerd, an unknown number means a committed snapshot."""
    return _KINDS.get(number, Kind.COMMITTED)


def info_to_proto(info: Info) -> InfoMessage:
    """Convert the info of a snapshot to a message.

    Raises:
        InvalidArgument: A string is not UTF-8, or a time is outside the years 1 to 9999.
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
    """Convert a message to the info of a snapshot. As in containerd, a missing time is Go's zero time.

    Raises:
        InvalidArgument: A time is invalid (`time_from_proto`).
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
    """Convert the disk usage of a snapshot to a message."""
    return encode(UsageResponse, size=usage.size, inodes=usage.inodes)


def usage_from_proto(message: UsageResponse) -> Usage:
    """Convert a message to the disk usage of a snapshot."""
    return Usage(size=message.size, inodes=message.inodes)


def mounts_to_proto(mounts: Iterable[Mount]) -> list[MountMessage]:
    """Convert mounts to messages, in the same order.

    Raises:
        InvalidArgument: A string is not UTF-8.
    """
    return [
        encode(MountMessage, type=mount.type, source=mount.source, target=mount.target, options=mount.options)
        for mount in mounts
    ]


def mounts_from_proto(messages: Iterable[MountMessage]) -> list[Mount]:
    """Convert messages to mounts, in the same order."""
    from lamina.mount import Mount

    return [
        Mount(type=message.type, source=message.source, options=tuple(message.options), target=message.target)
        for message in messages
    ]


def platform_to_proto(platform: str) -> Platform:
    """Convert a platform to a message.

    Args:
        platform: `os/architecture` or `os/architecture/variant`, in Go's terms.
    """
    os, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    return encode(Platform, os=os, architecture=architecture, variant=variant)


def platform_from_proto(message: Platform) -> str:
    """Convert a message to `os/architecture` or `os/architecture/variant`."""
    return "/".join(filter(None, (message.os, message.architecture, message.variant)))


def error_to_proto(error: BaseException) -> Status:
    """Convert an error to a message, for fields that report one, such as a plugin's `init_err`."""
    code, message = to_status(error)
    # A plugin's error may contain any text, and one invalid character must not hide the rest.
    return encode(Status, code=code, message=message.encode(errors="backslashreplace").decode())


def error_from_proto(message: Status) -> Error:
    """Convert a message to the error that it reports."""
    return from_status(message.code, message.message)
