"""A stored record as containerd's protocol sends it: from bytes to bytes, with no object between.

The message is `containerd.services.snapshots.v1.Info`; how it is encoded stands in
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from typing import Final

from lamina.snapshots._messages import varint
from lamina.snapshots.storage._record import HEAD, PAIR, unreadable

_NAME: Final = b"\x0a"
_PARENT: Final = b"\x12"
_KIND: Final = b"\x18"
_CREATED: Final = b"\x22"
_UPDATED: Final = b"\x2a"
_LABEL: Final = b"\x32"
_KEY, _VALUE = b"\x0a", b"\x12"
_SECONDS, _NANOS = b"\x08", b"\x10"


def info_message(data: bytes) -> bytes:
    """The `Info` message of a stored record.

    Args:
        data: What `encode` made of the record.

    Raises:
        DataLoss: It is no such bytes.
    """
    try:
        return _info_message(data)
    except (struct.error, IndexError, ValueError) as error:
        raise unreadable(data, error) from error


def _info_message(data: bytes) -> bytes:
    kind, _, made, made_nanos, changed, changed_nanos, _, _, name, parent, parents, labels = HEAD.unpack_from(data)
    parent_at = HEAD.size + name
    ids_at = parent_at + parent
    labels_at = ids_at + 8 * parents
    created = _timestamp(made, made_nanos)
    same = made_nanos == changed_nanos and made == changed
    updated = created if same else _timestamp(changed, changed_nanos)
    message = _NAME + varint(name) + data[HEAD.size : parent_at]
    if parent:
        message += _PARENT + varint(parent) + data[parent_at:ids_at]
    message += _KIND + varint(kind) + _CREATED + created + _UPDATED + updated
    for _ in range(labels):
        key_length, value_length = PAIR.unpack_from(data, labels_at)
        key_at = labels_at + PAIR.size
        value_at = key_at + key_length
        labels_at = value_at + value_length
        message += _label(data[key_at:value_at], data[value_at:labels_at])
    if labels_at != len(data):
        raise ValueError(f"{len(data)} bytes where {labels_at} are used")
    return message


def label_fields(labels: Mapping[str, str]) -> bytes:
    """Labels as fields of an `Info` message: put behind one, they add to its labels, or replace them."""
    return b"".join(_label(key.encode(), value.encode()) for key, value in labels.items())


def _label(key: bytes, value: bytes) -> bytes:
    entry = _KEY + varint(len(key)) + key + _VALUE + varint(len(value)) + value
    return _LABEL + varint(len(entry)) + entry


def _timestamp(seconds: int, nanos: int) -> bytes:
    """A `google.protobuf.Timestamp`, with its length before it."""
    content = _seconds(seconds)
    if nanos:
        content += _NANOS + varint(nanos)
    return varint(len(content)) + content


@functools.lru_cache(maxsize=256)
def _seconds(seconds: int) -> bytes:
    return _SECONDS + varint(seconds % (1 << 64)) if seconds else b""
