"""One snapshot as it is stored, and its bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

import attrs

from lamina.errdefs import DataLoss
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots._time import NANOSECONDS


@attrs.frozen
class Record:
    """What the metastore holds of a snapshot."""

    id: int
    """Names the snapshot's data. Never used again, and kept when the snapshot is committed."""
    info: Info
    usage: Usage = attrs.field(factory=Usage)
    """Measured at commit; zero for the other kinds."""
    parent_ids: tuple[int, ...] = ()
    """The whole chain, nearest first: so a mount list costs one read however deep the chain."""


# Big-endian: kind, id, created and updated (seconds, nanoseconds: a Go zero time does not fit 64 bits of
# nanoseconds), size, inodes, lengths of name and parent, number of parents and of labels.
HEAD: Final = struct.Struct(">BQqIqIqqIIII")
PAIR: Final = struct.Struct(">II")
_KINDS: Final = {kind.value: kind for kind in Kind}


def encode(record: Record) -> bytes:
    """The bytes of a record: a fixed head, then name, parent, parent ids and labels."""
    info = record.info
    name, parent = info.name.encode(), info.parent.encode()
    created, updated = divmod(info.created, NANOSECONDS), divmod(info.updated, NANOSECONDS)
    parts = [
        HEAD.pack(
            info.kind,
            record.id,
            *created,
            *updated,
            record.usage.size,
            record.usage.inodes,
            len(name),
            len(parent),
            len(record.parent_ids),
            len(info.labels),
        ),
        name,
        parent,
        struct.pack(f">{len(record.parent_ids)}Q", *record.parent_ids),
        *_encode_labels(info.labels),
    ]
    return b"".join(parts)


def _encode_labels(labels: Mapping[str, str]) -> list[bytes]:
    parts = []
    for key, value in labels.items():
        key_bytes, value_bytes = key.encode(), value.encode()
        parts += [PAIR.pack(len(key_bytes), len(value_bytes)), key_bytes, value_bytes]
    return parts


def decode(data: bytes) -> Record:
    """The record that `encode` made the bytes from.

    Raises:
        DataLoss: They are no such bytes.
    """
    try:
        return _decode(data)
    except (struct.error, ValueError, KeyError) as error:
        raise unreadable(data, error) from error


def unreadable(data: bytes, error: Exception) -> DataLoss:
    """The error of bytes that are no record's."""
    return DataLoss(f"a snapshot record of {len(data)} bytes cannot be read: {error}")


def id_in(data: bytes) -> int:
    """The identifier in the bytes of a record."""
    return int.from_bytes(data[1:9], "big")


def name_in(data: bytes) -> bytes:
    """The name in the bytes of a record."""
    length = HEAD.unpack_from(data)[8]
    return data[HEAD.size : HEAD.size + length]


def _decode(data: bytes) -> Record:
    (
        kind,
        id_,
        created,
        created_fraction,
        updated,
        updated_fraction,
        size,
        inodes,
        name_length,
        parent_length,
        parents,
        labels,
    ) = HEAD.unpack_from(data)
    parent_at = HEAD.size + name_length
    ids_at = parent_at + parent_length
    labels_at = ids_at + 8 * parents
    info = Info(
        name=data[HEAD.size : parent_at].decode(),
        kind=_KINDS[kind],
        parent=data[parent_at:ids_at].decode(),
        labels=_decode_labels(data, labels_at, labels),
        created=created * NANOSECONDS + created_fraction,
        updated=updated * NANOSECONDS + updated_fraction,
    )
    return Record(
        id=id_,
        info=info,
        usage=Usage(size, inodes),
        parent_ids=struct.unpack_from(f">{parents}Q", data, ids_at),
    )


def _decode_labels(data: bytes, at: int, count: int) -> dict[str, str]:
    labels = {}
    for _ in range(count):
        key_length, value_length = PAIR.unpack_from(data, at)
        value_at = at + PAIR.size + key_length
        end = value_at + value_length
        labels[data[at + PAIR.size : value_at].decode()] = data[value_at:end].decode()
        at = end
    if at != len(data):
        raise ValueError(f"{len(data)} bytes where {at} are used")
    return labels
