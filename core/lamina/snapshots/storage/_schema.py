"""Migration of metastores of earlier schema versions."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from lamina.errdefs import DataLoss
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots._time import NANOSECONDS
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._record import Record, encode
from lamina.store._checksum import check, has_checksum, put
from lamina.store._entries import BATCH
from lamina.store._environment import Environment, Transaction

# A record of version 1 is this head, name, parent, parent ids and labels. Big-endian: kind, id, created and
# updated (seconds, nanoseconds), size, inodes, lengths of name and parent, numbers of parents and of labels.
_HEAD: Final = struct.Struct(">BQqIqIqqIIII")
_PAIR: Final = struct.Struct(">II")


def migrate(transaction: Transaction, version: int) -> None:
    """Migrate a store to the present schema version.

    Records and index entries of version 2 have no checksums, which later versions permit:
    `SnapshotterStore.add_checksums` adds them in the background. All other entries get theirs at once. Version 4
    differs from version 3 in that it may have tables.

    Raises:
        DataLoss: A record cannot be read. Nothing is changed.
    """
    if version == 1:
        for key, value in _entries(transaction, b"k"):
            put(transaction, key, encode(_decode(value)))
    for prefix in () if version > 2 else (layout.UUID, layout.COUNTER, b"s", b"n", b"b", b"f"):
        for key, value in _entries(transaction, prefix):
            put(transaction, key, check(key, value))


def add_checksums(environment: Environment, prefix: bytes) -> Iterator[int]:
    """Add checksums to the entries of version 2 whose keys have a prefix.

    Yields:
        The number of entries changed, for each batch.
    """
    start = prefix
    while start:
        keys, start = environment.read(functools.partial(_without_checksum, prefix=prefix, start=start))
        if keys:
            environment.write(functools.partial(_add_checksums, keys=keys))
        yield len(keys)


def _without_checksum(transaction: Transaction, prefix: bytes, start: bytes) -> tuple[list[bytes], bytes]:
    """Return the keys without a checksum in a batch of entries, and the start of the next batch."""
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
        if value is not None and not has_checksum(value):  # otherwise it was removed or replaced meanwhile
            put(transaction, key, check(key, value))


def _entries(transaction: Transaction, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries whose keys have a prefix. The caller may replace each one meanwhile."""
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
