"""The encoding of `containerd.services.snapshots.v1.Info`, in which snapshots are both sent and stored.

The wire format is described at https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

from lamina.snapshots._contract import Info
from lamina.snapshots._time import NANOSECONDS

_INFO: Final = b"\x0a"
"""Field 1 of a `StatSnapshotResponse`, and of a `ListSnapshotsResponse`."""
_NAME: Final = b"\x0a"
_PARENT: Final = b"\x12"
_KIND: Final = b"\x18"
_CREATED: Final = b"\x22"
_UPDATED: Final = b"\x2a"
_LABEL: Final = b"\x32"
_KEY, _VALUE = b"\x0a", b"\x12"
_SECONDS, _NANOS = b"\x08", b"\x10"
_SHORT: Final = tuple(bytes((number,)) for number in range(0x80))


def encode_info(info: Info, name: bytes, parent: bytes) -> tuple[bytes, int, int]:
    """Encode an info as field 1 of a response; return it with the offsets of its name and its labels.

    Args:
        info: The info.
        name: Its name, encoded.
        parent: Its parent, encoded.
    """
    before_name = _NAME + varint(len(name))
    created = _timestamp(info.created)
    updated = created if info.updated == info.created else _timestamp(info.updated)
    fields = before_name + name
    if parent:
        fields += _PARENT + varint(len(parent)) + parent
    fields += _KIND + varint(info.kind) + _CREATED + created + _UPDATED + updated
    labels = _label_fields(info.labels)
    before = _INFO + varint(len(fields) + len(labels))
    return before + fields + labels, len(before) + len(before_name), len(before) + len(fields)


def with_labels(message: bytes, labels: Mapping[str, str]) -> bytes:
    """Add labels to an encoded field; they override its own."""
    _, at = read_varint(message, len(_INFO))
    fields = message[at:] + _label_fields(labels)
    return _INFO + varint(len(fields)) + fields


def decode_labels(message: bytes, at: int) -> dict[str, str]:
    """Decode the labels of an encoded field.

    Args:
        message: Bytes that end with the field.
        at: The offset of its labels.

    Raises:
        ValueError, IndexError: They are damaged.
    """
    labels = {}
    while at < len(message):
        if message[at + 1] < 0x80:  # a short label: each of its lengths takes one byte
            key_at = at + 4
            value_tag = key_at + message[at + 3]
            value_at = value_tag + 2
            at += 2 + message[at + 1]
        else:
            _, key_tag = read_varint(message, at + 1)
            key_length, key_at = read_varint(message, key_tag + 1)
            value_tag = key_at + key_length
            value_length, value_at = read_varint(message, value_tag + 1)
            at = value_at + value_length
        labels[message[key_at:value_tag].decode()] = message[value_at:at].decode()
    if at > len(message):
        raise ValueError("a label is cut")
    return labels


def _label_fields(labels: Mapping[str, str]) -> bytes:
    return b"".join(_label(key.encode(), value.encode()) for key, value in labels.items())


def _label(key: bytes, value: bytes) -> bytes:
    entry = _KEY + varint(len(key)) + key + _VALUE + varint(len(value)) + value
    return _LABEL + varint(len(entry)) + entry


def _timestamp(nanoseconds: int) -> bytes:
    """Encode a `google.protobuf.Timestamp`, preceded by its length."""
    seconds, nanos = divmod(nanoseconds, NANOSECONDS)
    content = _seconds(seconds)
    if nanos:
        content += _NANOS + varint(nanos)
    return varint(len(content)) + content


@functools.lru_cache(maxsize=256)
def _seconds(seconds: int) -> bytes:
    return _SECONDS + varint(seconds % (1 << 64)) if seconds else b""


def varint(number: int) -> bytes:
    """Encode a number of up to 64 bits, seven bits a byte, lowest first."""
    if number < 0x80:
        return _SHORT[number]
    encoded = []
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Decode a number; return it with the offset after it.

    Raises:
        IndexError: The number is truncated.
    """
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    number, shift = byte & 0x7F, 7
    while byte > 0x7F:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    return number, at
