"""The versions of what is stored, and the way from an earlier one to the present one."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from lamina.errdefs import DataLoss
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots._time import NANOSECONDS
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._checksum import check, has_checksum, put
from lamina.snapshots.storage._environment import Environment, Transaction
from lamina.snapshots.storage._record import Record, encode

BATCH: Final = 256
"""How many entries get their checksums in one transaction."""

# A record of version 1 is this head, name, parent, parent ids and labels. Big-endian: kind, id, created and
# updated (seconds, nanoseconds), size, inodes, lengths of name and parent, numbers of parents and of labels.
_HEAD: Final = struct.Struct(">BQqIqIqqIIII")
_PAIR: Final = struct.Struct(">II")


def migrate(transaction: Transaction, version: int) -> None:
    """Bring a store to the present version.

    What has no checksum in version 2 may be without in version 3 as well: `SnapshotterStore.add_checksums` adds it
    later, unhurriedly. What is neither record nor index has it at once.

    Args:
        transaction: A write transaction.
        version: The version that the store has, lower than `SCHEMA`.

    Raises:
        DataLoss: A record cannot be read. Nothing is changed.
    """
    if version == 1:
        for key, value in _entries(transaction, b"k"):
            put(transaction, key, encode(_decode(value)))
    for prefix in (layout.UUID, layout.COUNTER, b"s", b"n", b"b", b"f"):
        for key, value in _entries(transaction, prefix):
            put(transaction, key, check(key, value))


def add_checksums(environment: Environment, prefix: bytes) -> Iterator[int]:
    """Give the entries whose keys begin with a prefix the checksums that version 2 did not store.

    Yields:
        How many a batch of entries had that were without one.
    """
    start = prefix
    while start:
        keys, start = environment.read(functools.partial(_without_checksum, prefix=prefix, start=start))
        if keys:
            environment.write(functools.partial(_add_checksums, keys=keys))
        yield len(keys)


def _without_checksum(transaction: Transaction, prefix: bytes, start: bytes) -> tuple[list[bytes], bytes]:
    """The keys of those of a batch of entries that have no checksum, and where the next batch begins."""
    keys: list[bytes] = []
    cursor = transaction.cursor()
    if cursor.set_range(start):
        for count, (key, value) in enumerate(cursor):
            if not key.startswith(prefix):
                break
            if count == BATCH:
                return keys, key
            if not has_checksum(value):
                keys.append(key)
    return keys, b""


def _add_checksums(transaction: Transaction, keys: Sequence[bytes]) -> None:
    for key in keys:
        value = transaction.get(key)
        if value is not None and not has_checksum(value):  # else it was removed or stored anew meanwhile
            put(transaction, key, check(key, value))


def _entries(transaction: Transaction, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries whose keys begin with a prefix, each of which may be replaced meanwhile."""
    cursor = transaction.cursor()
    found = cursor.set_range(prefix)
    while found and cursor.key().startswith(prefix):
        key = cursor.key()
        yield key, cursor.value()
        found = cursor.set_range(key + b"\0")


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
