"""Writing a whole metastore file at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

import lmdb

from lamina.errdefs import FailedPrecondition
from lamina.snapshots.storage import _checksum as checksum
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._contents import Contents, Counters
from lamina.snapshots.storage._errors import translated
from lamina.snapshots.storage._format import SCHEMA
from lamina.snapshots.storage._record import Record, encode

_BATCH: Final = 10_000
"""Entries in one transaction."""
_ROOM: Final = 4
"""Bytes of address space for each byte of keys and values: pages are half empty at worst, and copied."""
_LEAST: Final = 1 << 24


def write_file(path: str, contents: Contents) -> None:
    """Write contents to a new file, durably, in the present schema.

    Args:
        path: The file; one that is there is replaced. It is not there as long as it is not whole.
        contents: With the counters of each snapshotter that has snapshots.

    Raises:
        FailedPrecondition: Two snapshots have one key, or one identifier.
        ResourceExhausted: The disk is full.
        OSError: The file cannot be made.
    """
    with_checksums = ((key, checksum.add(key, value)) for key, value in _entries(contents))
    entries = sorted([(layout.SCHEMA, str(SCHEMA).encode()), *with_checksums])
    for (key, _), (following, _) in itertools.pairwise(entries):
        if key == following:
            raise FailedPrecondition(f"two entries of a metastore have the key {key.hex()}")
    size = sum(len(key) + len(value) + 64 for key, value in entries)
    with (
        translated(path),
        lmdb.open(path, subdir=False, lock=False, mode=0o600, map_size=max(_LEAST, _ROOM * size)) as environment,
    ):
        for start in range(0, len(entries), _BATCH):
            with environment.begin(write=True) as transaction:
                for key, value in entries[start : start + _BATCH]:
                    transaction.put(key, value, append=True)
        environment.sync(True)


def _entries(contents: Contents) -> Iterator[tuple[bytes, bytes]]:
    names = sorted({*contents.counters, *(one.snapshotter for one in contents.snapshots)})
    spaces = sorted({(one.snapshotter, one.keyspace) for one in contents.snapshots})
    numbers = {name: number for number, name in enumerate(names, 1)}
    space_numbers = {space: layout.NUMBER.pack(number) for number, space in enumerate(spaces, len(numbers) + 1)}
    yield layout.UUID, contents.uuid.encode()
    yield layout.VERSION, str(SCHEMA).encode()
    yield layout.COUNTER, str(len(numbers) + len(space_numbers)).encode()
    if contents.salvaged:
        yield layout.SALVAGED, contents.salvaged.encode()
    for name, number in numbers.items():
        counters = contents.counters.get(name, Counters())
        counted = layout.SNAPSHOTTER.pack(number, counters.next_id, counters.generation)
        yield layout.snapshotter_key(name), counted
    for space, packed in space_numbers.items():
        yield layout.space_key(*space), packed
    for name, last_id in contents.failed_syncs.items():
        yield layout.failed_sync_key(name), layout.IDENTIFIER.pack(last_id)
    for one in contents.snapshots:
        own = layout.NUMBER.pack(numbers[one.snapshotter])
        yield from _entries_of(one.record, own, space_numbers[one.snapshotter, one.keyspace])


def _entries_of(record: Record, snapshotter: bytes, space: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a snapshot: its record, and what leads to it from its identifier and its parent's."""
    name = record.info.name.encode()
    key = layout.record_key(space, name)
    yield key, encode(record)
    yield layout.id_key(snapshotter, record.id), key
    if record.parent_ids:
        yield layout.child_key(space, record.parent_ids[0], record.id), name
