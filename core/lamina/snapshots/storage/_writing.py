"""Writing a whole metastore file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

import lmdb

from lamina.errdefs import FailedPrecondition
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._contents import Contents, Counters
from lamina.snapshots.storage._table import record_entries
from lamina.store import _checksum as checksum
from lamina.store._errors import translated
from lamina.store._format import SCHEMA

_BATCH: Final = 10_000
"""Entries in each transaction."""
_ROOM: Final = 4
"""Bytes of address space per byte of keys and values: pages may be half empty, and are copied."""
_LEAST: Final = 1 << 24


def write_file(path: str, contents: Contents) -> None:
    """Write contents to a new file, durably, in the present schema.

    Args:
        path: The file, which is replaced if it exists.
        contents: The contents, with counters for each snapshotter that has snapshots.

    Raises:
        FailedPrecondition: Two snapshots have the same key or identifier.
        ResourceExhausted: The disk is full.
        OSError: The file cannot be created.
    """
    with_checksums = ((key, checksum.add(key, value)) for key, value in _entries(contents))
    entries = sorted([(layout.SCHEMA_KEY, str(SCHEMA).encode()), *with_checksums])
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
    keyspaces = sorted({(one.snapshotter, one.keyspace) for one in contents.snapshots})
    numbers = {name: number for number, name in enumerate(names, 1)}
    keyspace_numbers = {
        keyspace: layout.NUMBER.pack(number) for number, keyspace in enumerate(keyspaces, len(numbers) + 1)
    }
    yield layout.UUID, contents.uuid.encode()
    yield layout.VERSION, str(SCHEMA).encode()
    yield layout.COUNTER, str(len(numbers) + len(keyspace_numbers)).encode()
    if contents.salvaged:
        yield layout.SALVAGED, contents.salvaged.encode()
    if contents.losses:
        yield layout.LOSSES, contents.losses.encode()
    for name, number in numbers.items():
        counters = contents.counters.get(name, Counters())
        counted = layout.SNAPSHOTTER.pack(number, counters.next_id, counters.generation)
        yield layout.snapshotter_key(name), counted
    for keyspace, packed in keyspace_numbers.items():
        yield layout.keyspace_key(*keyspace), packed
    for name, last_id in contents.failed_syncs.items():
        yield layout.failed_sync_key(name), layout.IDENTIFIER.pack(last_id)
    yield from contents.tables.items()
    for one in contents.snapshots:
        own = layout.NUMBER.pack(numbers[one.snapshotter])
        yield from record_entries(own, keyspace_numbers[one.snapshotter, one.keyspace], one.record)
