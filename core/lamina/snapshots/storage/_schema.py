"""The versions of what is stored, and the way from an earlier one to the present one."""

from __future__ import annotations

import struct
from typing import Final

from lamina.errdefs import DataLoss
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots._time import NANOSECONDS
from lamina.snapshots.storage._environment import Transaction
from lamina.snapshots.storage._record import Record, encode

SCHEMA: Final = 2
"""The version that this code reads and writes. A store of a lower one is migrated, one of a higher one refused."""

# A record of version 1 is this head, name, parent, parent ids and labels. Big-endian: kind, id, created and
# updated (seconds, nanoseconds), size, inodes, lengths of name and parent, numbers of parents and of labels.
_HEAD: Final = struct.Struct(">BQqIqIqqIIII")
_PAIR: Final = struct.Struct(">II")


def migrate(transaction: Transaction) -> None:
    """Bring every record of a store of version 1 to the present version.

    Raises:
        DataLoss: A record cannot be read. Nothing is changed.
    """
    cursor = transaction.cursor()
    found = cursor.set_range(b"k")
    while found and cursor.key()[:1] == b"k":
        cursor.put(cursor.key(), encode(_decode(cursor.value())))
        found = cursor.next()


def _decode(data: bytes) -> Record:
    try:
        kind, id_, made, made_nanos, changed, changed_nanos, *sizes = _HEAD.unpack_from(data)
        size, inodes, name_length, parent_length, parents, labels = sizes
        parent_at = _HEAD.size + name_length
        ids_at = parent_at + parent_length
        info = Info(
            name=data[_HEAD.size : parent_at].decode(),
            kind=Kind(kind),
            parent=data[parent_at:ids_at].decode(),
            labels=_decode_labels(data, ids_at + 8 * parents, labels),
            created=made * NANOSECONDS + made_nanos,
            updated=changed * NANOSECONDS + changed_nanos,
        )
        return Record(id_, info, Usage(size, inodes), struct.unpack_from(f">{parents}Q", data, ids_at))
    except (struct.error, ValueError) as error:
        raise DataLoss(f"a snapshot record of {len(data)} bytes cannot be read: {error}") from error


def _decode_labels(data: bytes, at: int, count: int) -> dict[str, str]:
    labels = {}
    for _ in range(count):
        key_length, value_length = _PAIR.unpack_from(data, at)
        value_at = at + _PAIR.size + key_length
        end = value_at + value_length
        labels[data[at + _PAIR.size : value_at].decode()] = data[value_at:end].decode()
        at = end
    if at != len(data):
        raise ValueError(f"{len(data)} bytes where {at} are used")
    return labels
