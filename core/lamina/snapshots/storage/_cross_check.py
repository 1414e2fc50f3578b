"""The cross-check of a metastore's entries. It imports only what `lamina.store._fsck` imports."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from lamina.snapshots.storage._format import HEAD, SHARED
from lamina.store._format import DATABASE_KEY_LIMIT, describe, is_intact, owner_of, value_in


class Entries:
    """Compares the entries of a metastore with each other."""

    def __init__(
        self,
        keyspaces: Iterable[bytes] = (),
        missing: Iterable[bytes] = (),
        owners: Mapping[bytes, bytes] = MappingProxyType({}),
        greatest: Mapping[bytes, int] = MappingProxyType({}),
    ) -> None:
        """Start with the results of a comparison of records.

        Args:
            keyspaces: The numbers of the records' keyspaces.
            missing: Keyspace number and identifier of each parent that has no record.
            owners: Snapshotter numbers by keyspace number.
            greatest: The highest identifier of a snapshot, by snapshotter number.
        """
        self._ids: dict[bytes, bytes] = {}
        """Keys of identifier entries by the record key to which they lead."""
        self._children: dict[bytes, bytes] = {}
        """Names of children by the key of their entry."""
        self._keyspaces_in_use = set(keyspaces)
        self._records: set[bytes] = set()
        """Keyspace number and identifier of each record."""
        self._parents = set(missing)
        """Keyspace number and identifier of each parent."""
        self._owners = dict(owners)
        self._greatest = dict(greatest)
        self._numbers: dict[bytes, bytes] = {}
        """Snapshotter numbers by name."""
        self._keyspaces: dict[bytes, bytes] = {}
        """Snapshotter names by keyspace number."""
        self._general: dict[bytes, bytes] = {}

    def check(self, entries: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
        """Yield the problems of entries, which come in the order of their keys."""
        checks = {
            b"b": self._ignore,
            b"c": self._check_child,
            b"f": self._ignore,
            b"i": self._check_identifier,
            b"k": self._check_record,
            b"m": self._check_general,
            b"n": self._check_snapshotter,
            b"s": self._check_keyspace,
            b"t": self._check_table,
        }
        for key, data in entries:
            if not is_intact(key, data):
                yield f"{describe(key)} has a wrong checksum"
                continue
            check = checks.get(key[:1])
            if check is None:
                yield f"entry {key!r} is of no known kind"
                continue
            try:
                yield from check(key, value_in(data))
            except (struct.error, ValueError, IndexError) as error:
                yield f"{describe(key)} cannot be read: {error}"
        yield from self._check_rest()

    def _ignore(self, key: bytes, value: bytes) -> Iterable[str]:
        return ()

    def _check_child(self, key: bytes, value: bytes) -> Iterable[str]:
        self._children[key] = value
        return ()

    def _check_identifier(self, key: bytes, value: bytes) -> Iterable[str]:
        if value in self._ids:
            return [f"{describe(key)} leads to the same record as {describe(self._ids[value])}"]
        self._ids[value] = key
        return ()

    def _check_record(self, key: bytes, value: bytes) -> Iterator[str]:
        kind, _, parents, length, *_, name_at, name_length, _, _ = HEAD.unpack_from(value)
        at = HEAD.size + 8 * parents
        name = value[at + name_at : at + name_at + name_length]
        if at + length != len(value) or not 1 <= kind <= 3:
            yield f"{describe(key)} cannot be read: it has {len(value)} bytes, or is of no known kind"
            return
        if record_key(key[:5], name) != key:
            yield f"{describe(key)} is the record of another"
        keyspace, id_ = key[1:5], value[1:9]
        self._keyspaces_in_use.add(keyspace)
        self._records.add(keyspace + id_)
        index = self._ids.pop(key, None)
        if index is None or index[5:] != id_ or self._owners.setdefault(keyspace, index[1:5]) != index[1:5]:
            yield f"identifier {int.from_bytes(id_, 'big')} does not lead to {describe(key)}"
        else:
            owner = index[1:5]
            self._greatest[owner] = max(self._greatest.get(owner, 0), int.from_bytes(id_, "big"))
        if parents:
            parent = keyspace + value[HEAD.size : HEAD.size + 8]
            self._parents.add(parent)
            if self._children.pop(b"c" + parent + id_, None) != name:
                yield f"{describe(key)} is not among the children of its parent"

    def _check_general(self, key: bytes, value: bytes) -> Iterable[str]:
        self._general[key] = value
        return ()

    def _check_snapshotter(self, key: bytes, value: bytes) -> Iterator[str]:
        number, next_id, _ = struct.unpack(">IQQ", value)
        packed = struct.pack(">I", number)
        if packed in self._numbers.values():
            yield f"{describe(key)} has the number of another"
        self._numbers[key[1:]] = packed
        if next_id <= self._greatest.get(packed, 0):
            yield f"{describe(key)} would reserve identifier {next_id} again"

    def _check_keyspace(self, key: bytes, value: bytes) -> Iterator[str]:
        snapshotter = key[1:].partition(b"\0")[0]
        if value in self._keyspaces or len(value) != 4:
            yield f"{describe(key)} has the number of another"
        self._keyspaces[value] = snapshotter
        if snapshotter not in self._numbers:
            yield f"{describe(key)} belongs to snapshotter {snapshotter!r}, which does not exist"
        elif self._owners.get(value, self._numbers[snapshotter]) != self._numbers[snapshotter]:
            yield f"{describe(key)} has snapshots of another snapshotter"

    def _check_table(self, key: bytes, value: bytes) -> Iterable[str]:
        return () if owner_of(key) else [f"{describe(key)} belongs to no table"]

    def _check_rest(self) -> Iterator[str]:
        for key in self._ids.values():
            yield f"{describe(key)} leads to no record"
        for key in self._children:
            yield f"{describe(key)} leads to no child"
        is_salvaged = b"msalvaged" in self._general  # a salvaged store may lack records
        for parent in () if is_salvaged else self._parents - self._records:
            yield f"identifier {int.from_bytes(parent[4:], 'big')} is the parent of a snapshot, and does not exist"
        for number in self._keyspaces_in_use - self._keyspaces.keys():
            yield f"keyspace number {number.hex()} has snapshots and no name"
        if self._general or self._numbers or self._keyspaces_in_use:
            yield from self._check_generals()

    def _check_generals(self) -> Iterator[str]:
        general = self._general
        if len(general.get(b"muuid", b"")) != 36:
            yield "the UUID is missing"
        if general.get(b"mversion", b"2") != general.get(b"mschema", b""):
            yield "the schema version is stored in two places, which differ"
        numbers = {*self._numbers.values(), *self._keyspaces}
        count = len(numbers)
        wanted = {struct.pack(">I", number) for number in range(1, count + 1)}
        # Each number is assigned once, and no owner of one is ever deleted.
        if numbers != wanted or general.get(b"mcounter", b"0") != b"%d" % count:
            yield "a snapshotter or a keyspace is missing, or has an unassigned number"


def record_key(prefix: bytes, name: bytes) -> bytes:
    """Return the database key of a record, like `_layout.record_key`."""
    whole = prefix + name
    if len(whole) < DATABASE_KEY_LIMIT:
        return whole
    import hashlib

    return whole[:SHARED] + hashlib.sha256(name).digest()
