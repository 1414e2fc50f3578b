"""The record of a snapshot, and its encoding."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from lamina.errdefs import DataLoss
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots._time import NANOSECONDS
from lamina.snapshots.storage._format import HEAD
from lamina.snapshots.storage._message import decode_labels, encode_info, read_varint


class Record(NamedTuple):
    """A snapshot in the metastore."""

    id: int
    """The identifier, which names the snapshot's data. Never reused, and kept at commit."""
    info: Info
    usage: Usage = Usage()
    """The usage measured at commit; zero for other kinds."""
    parent_ids: tuple[int, ...] = ()
    """All ancestors, nearest first, so that a mount list costs one read at any depth."""


_SHAPE: Final = struct.Struct(">II")
"""The part of the head from which the offset of the message follows."""
_SHAPE_AT: Final = struct.calcsize(">BQ")
_NONE: Final = Usage()
_KINDS: Final = {kind.value: kind for kind in Kind}


def encode(record: Record) -> bytes:
    """Encode a record: a fixed head, the parent ids, and the message for the wire (`info_message`).

    Only numbers are in both head and message: they are decoded faster from the head.
    """
    info = record.info
    name, parent = info.name.encode(), info.parent.encode()
    message, name_at, labels_at = encode_info(info, name, parent)
    head = HEAD.pack(
        info.kind,
        record.id,
        len(record.parent_ids),
        len(message),
        *divmod(info.created, NANOSECONDS),
        *divmod(info.updated, NANOSECONDS),
        record.usage.size,
        record.usage.inodes,
        name_at,
        len(name),
        len(parent),
        labels_at,
    )
    return head + struct.pack(f">{len(record.parent_ids)}Q", *record.parent_ids) + message


def decode(data: bytes) -> Record:
    """Decode a record.

    Raises:
        DataLoss: The bytes are not an encoded record.
    """
    try:
        return _decode(data)
    except (struct.error, ValueError, KeyError, IndexError) as error:
        raise _unreadable(data, error) from error


def info_message(data: bytes) -> bytes:
    """Return the record encoded for the wire: `Info` as field 1 of the answer of `Stat` or `List`.

    Args:
        data: An encoded record.

    Raises:
        DataLoss: The bytes are not an encoded record.
    """
    try:
        return data[_message_at(data, *_SHAPE.unpack_from(data, _SHAPE_AT)) :]
    except (struct.error, ValueError) as error:
        raise _unreadable(data, error) from error


def id_in(data: bytes) -> int:
    """Return the identifier in an encoded record."""
    return int.from_bytes(data[1:9], "big")


def name_in(data: bytes) -> bytes:
    """Return the name in an encoded record."""
    _, _, parents, length, *_, name_at, name_length, _, _ = HEAD.unpack_from(data)
    at = _message_at(data, parents, length) + name_at
    return data[at : at + name_length]


def lineage_in(data: bytes) -> tuple[Kind, tuple[int, ...]]:
    """Return the kind in an encoded record, and the identifiers of the snapshot and its ancestors, nearest first.

    Raises:
        DataLoss: The bytes are not an encoded record.
    """
    try:
        parents, length = _SHAPE.unpack_from(data, _SHAPE_AT)
        _message_at(data, parents, length)
        return _KINDS[data[0]], (id_in(data), *struct.unpack_from(f">{parents}Q", data, HEAD.size))
    except (struct.error, ValueError, KeyError) as error:
        raise _unreadable(data, error) from error


def _decode(data: bytes) -> Record:
    (
        kind,
        id_,
        parents,
        length,
        created,
        created_fraction,
        updated,
        updated_fraction,
        size,
        inodes,
        name_at,
        name_length,
        parent_length,
        labels_at,
    ) = HEAD.unpack_from(data)
    message_at = _message_at(data, parents, length)
    name_at += message_at
    parent_tag = name_at + name_length
    parent = b""
    if parent_length:
        parent_at = parent_tag + 2 if parent_length < 0x80 else read_varint(data, parent_tag + 1)[1]
        parent = data[parent_at : parent_at + parent_length]
    info = Info(
        name=data[name_at:parent_tag].decode(),
        kind=_KINDS[kind],
        parent=parent.decode(),
        labels=decode_labels(data, message_at + labels_at),
        created=created * NANOSECONDS + created_fraction,
        updated=updated * NANOSECONDS + updated_fraction,
    )
    return Record(
        id=id_,
        info=info,
        usage=Usage(size, inodes) if size or inodes else _NONE,
        parent_ids=struct.unpack_from(f">{parents}Q", data, HEAD.size) if parents else (),
    )


def _message_at(data: bytes, parents: int, length: int) -> int:
    """Return the offset of the message, given its length and the number of parents."""
    at = HEAD.size + 8 * parents
    if at + length != len(data):
        raise ValueError(f"{len(data)} bytes where {at + length} are used")
    return at


def _unreadable(data: bytes, error: Exception) -> DataLoss:
    return DataLoss(f"a snapshot record of {len(data)} bytes cannot be read: {error}")
