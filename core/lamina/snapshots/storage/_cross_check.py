"""A comparison of a metastore's entries with each other. As `_check`, it needs nothing of the rest of lamina."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from lamina.snapshots.storage._format import (
    DATABASE_KEY_LIMIT,
    HEAD,
    SHARED,
    describe,
    is_intact,
    value_in,
)


class Entries:
    """What the entries say of each other."""

    def __init__(
        self,
        spaces: Iterable[bytes] = (),
        missing: Iterable[bytes] = (),
        owners: Mapping[bytes, bytes] = MappingProxyType({}),
        greatest: Mapping[bytes, int] = MappingProxyType({}),
    ) -> None:
        """Begin with what is known of records that have been compared.

        Args:
            spaces: The numbers of their keyspaces.
            missing: Keyspace number and identifier of each parent of theirs that is not among them.
            owners: By keyspace number, the number of the snapshotter.
            greatest: By snapshotter number, the greatest identifier of a snapshot.
        """
        self._ids: dict[bytes, bytes] = {}
        """By the database key of the record, the key of the identifier that leads there."""
        self._children: dict[bytes, bytes] = {}
        """By the key of the entry, the child's name."""
        self._spaces_in_use = set(spaces)
        self._records: set[bytes] = set()
        """Keyspace number and identifier of each."""
        self._parents = set(missing)
        """As `_records`, of those that others are built on."""
        self._owners = dict(owners)
        self._greatest = dict(greatest)
        self._numbers: dict[bytes, bytes] = {}
        """By snapshotter, its number."""
        self._spaces: dict[bytes, bytes] = {}
        """By keyspace number, its snapshotter."""
        self._general: dict[bytes, bytes] = {}

    def check(self, entries: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
        """Look at entries in the order of their keys."""
        looks = {
            b"b": self._ignore,
            b"c": self._look_at_child,
            b"f": self._ignore,
            b"i": self._look_at_identifier,
            b"k": self._look_at_record,
            b"m": self._look_at_general,
            b"n": self._look_at_snapshotter,
            b"s": self._look_at_keyspace,
        }
        for key, data in entries:
            if not is_intact(key, data):
                yield f"{describe(key)} is not what was stored: its checksum is wrong"
                continue
            look = looks.get(key[:1])
            if look is None:
                yield f"there is no such entry as {key!r}"
                continue
            try:
                yield from look(key, value_in(data))
            except (struct.error, ValueError, IndexError) as error:
                yield f"{describe(key)} cannot be read: {error}"
        yield from self._look_at_rest()

    def _ignore(self, key: bytes, value: bytes) -> Iterable[str]:
        return ()

    def _look_at_child(self, key: bytes, value: bytes) -> Iterable[str]:
        self._children[key] = value
        return ()

    def _look_at_identifier(self, key: bytes, value: bytes) -> Iterable[str]:
        if value in self._ids:
            return [f"{describe(key)} leads to the same record as {describe(self._ids[value])}"]
        self._ids[value] = key
        return ()

    def _look_at_record(self, key: bytes, value: bytes) -> Iterator[str]:
        kind, _, parents, length, *_, name_at, name_length, _, _ = HEAD.unpack_from(value)
        at = HEAD.size + 8 * parents
        name = value[at + name_at : at + name_at + name_length]
        if at + length != len(value) or not 1 <= kind <= 3:
            yield f"{describe(key)} cannot be read: it has {len(value)} bytes, or is of no known kind"
            return
        if record_key(key[:5], name) != key:
            yield f"{describe(key)} is the record of another"
        space, id_ = key[1:5], value[1:9]
        self._spaces_in_use.add(space)
        self._records.add(space + id_)
        index = self._ids.pop(key, None)
        if index is None or index[5:] != id_ or self._owners.setdefault(space, index[1:5]) != index[1:5]:
            yield f"identifier {int.from_bytes(id_, 'big')} does not lead to {describe(key)}"
        else:
            owner = index[1:5]
            self._greatest[owner] = max(self._greatest.get(owner, 0), int.from_bytes(id_, "big"))
        if parents:
            parent = space + value[HEAD.size : HEAD.size + 8]
            self._parents.add(parent)
            if self._children.pop(b"c" + parent + id_, None) != name:
                yield f"{describe(key)} is not among the children of its parent"

    def _look_at_general(self, key: bytes, value: bytes) -> Iterable[str]:
        self._general[key] = value
        return ()

    def _look_at_snapshotter(self, key: bytes, value: bytes) -> Iterator[str]:
        number, next_id, _ = struct.unpack(">IQQ", value)
        packed = struct.pack(">I", number)
        if packed in self._numbers.values():
            yield f"{describe(key)} has the number of another"
        self._numbers[key[1:]] = packed
        if next_id <= self._greatest.get(packed, 0):
            yield f"{describe(key)} would hand out identifier {next_id} again"

    def _look_at_keyspace(self, key: bytes, value: bytes) -> Iterator[str]:
        snapshotter = key[1:].partition(b"\0")[0]
        if value in self._spaces or len(value) != 4:
            yield f"{describe(key)} has the number of another"
        self._spaces[value] = snapshotter
        if snapshotter not in self._numbers:
            yield f"{describe(key)} belongs to snapshotter {snapshotter!r}, which is not there"
        elif self._owners.get(value, self._numbers[snapshotter]) != self._numbers[snapshotter]:
            yield f"{describe(key)} has snapshots of another snapshotter"

    def _look_at_rest(self) -> Iterator[str]:
        for key in self._ids.values():
            yield f"{describe(key)} leads to no record"
        for key in self._children:
            yield f"{describe(key)} leads to no child"
        is_salvaged = b"msalvaged" in self._general  # then records may be missing, and that is known
        for parent in () if is_salvaged else self._parents - self._records:
            yield f"identifier {int.from_bytes(parent[4:], 'big')} is the parent of a snapshot, and not there"
        for space in self._spaces_in_use - self._spaces.keys():
            yield f"keyspace number {space.hex()} has snapshots and no name"
        if self._general or self._numbers or self._spaces_in_use:
            yield from self._look_at_generals()

    def _look_at_generals(self) -> Iterator[str]:
        general = self._general
        if len(general.get(b"muuid", b"")) != 36:
            yield "the UUID is missing"
        schema = general.get(b"mschema", b"")
        if general.get(b"mversion", b"2") != schema:
            yield f"the schema version is {schema!r} in one place, and {general.get(b'mversion')!r} in another"
        numbers = {*self._numbers.values(), *self._spaces}
        wanted = {struct.pack(">I", number) for number in range(1, int(general.get(b"mcounter", b"0")) + 1)}
        if numbers != wanted:  # each was handed out once, and nothing that has one is ever deleted
            yield "a snapshotter or a keyspace is missing, or has a number that was not handed out"


def record_key(prefix: bytes, name: bytes) -> bytes:
    """As `_layout.record_key`."""
    whole = prefix + name
    if len(whole) < DATABASE_KEY_LIMIT:
        return whole
    import hashlib

    return whole[:SHARED] + hashlib.sha256(name).digest()
