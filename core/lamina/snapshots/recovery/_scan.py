"""What there is in a data root, seen without any metastore."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from lamina.errdefs import Error
from lamina.fs import SecureDirectory
from lamina.snapshots.local import layout
from lamina.snapshots.storage import failed_sync_in
from lamina.snapshots.storage.recovery_record import RecoveryRecord

LIMIT: Final = 64 << 20
"""Bytes beyond which a file is no recovery record: no message that makes a snapshot is a quarter as large."""
_IDENTIFIERS: Final = 1 << 64
"""No identifier is as large: the database has eight bytes for each."""


@attrs.frozen
class DataRootContents:
    """A data root as it was when it was looked through. Identifiers are those that stand in names of files."""

    path: str
    uuid: str = ""
    """The metastore that it belongs to; "" where it does not say."""
    generation: int = 0
    """How often that was opened with it."""
    data: frozenset[int] = frozenset()
    """Of which there is data."""
    unfinished: frozenset[int] = frozenset()
    """Of which there is data that was never whole."""
    records: Mapping[int, RecoveryRecord] = attrs.field(factory=dict)
    """The recovery records that can be read."""
    torn: Mapping[int, str] = attrs.field(factory=dict)
    """Why the others cannot be."""
    quarantined: frozenset[int] = frozenset()
    """Of which there is something in quarantine."""
    failed_sync: int | None = None
    """The highest identifier that a failed sync may have damaged; None where it does not say."""
    last_id: int = 0
    """The largest identifier that anything in the data root names."""

    @property
    def snapshotter(self) -> str:
        """The snapshotter that most recovery records name; "" where there are none."""
        names = Counter(found.snapshotter for found in self.records.values())
        return names.most_common(1)[0][0] if names else ""

    def data_path(self, id_: int) -> str:
        """Where the data of an identifier is."""
        return os.path.join(self.path, layout.SNAPSHOTS, str(id_))

    def record_path(self, id_: int) -> str:
        """Where the recovery record of an identifier is."""
        return os.path.join(self.path, layout.RECORDS, str(id_))


def is_data_root(path: str) -> bool:
    """Whether a directory is the data root of a local snapshotter, or was."""
    return all(os.path.isdir(os.path.join(path, name)) for name in (layout.SNAPSHOTS, layout.RECORDS))


Watch: TypeAlias = Callable[[Iterable[Any], str], Iterable[Any]]
"""Passes items on, and shows how many there have been, as commands do on a terminal."""


def unwatched(items: Iterable[Any], _what: str) -> Iterable[Any]:
    """Pass items on, and show nothing."""
    return items


def scan(path: str, watch: Watch = unwatched) -> DataRootContents:
    """Look through a data root. Nothing in it is changed, and others may change it meanwhile.

    Args:
        path: Its absolute path.
        watch: Is passed the recovery records' names.

    Raises:
        PermissionDenied: Another user could change what is in it.
        OSError: It cannot be looked at.
    """
    with SecureDirectory.open(path) as directory:
        uuid, generation = _owner(directory)
        failed_sync = failed_sync_in(directory)
        names = _names(directory, layout.SNAPSHOTS)
        records, torn = _records(directory, watch)
        quarantined = set(_leading_ids(directory, layout.QUARANTINE))
        discarded = set(_leading_ids(directory, layout.TRASH))
    found = {id_ for name in names if (id_ := _id(name)) is not None}
    unfinished = {
        id_ for name in names if name.endswith(layout.UNFINISHED) and (id_ := _leading_id(name)) is not None
    }
    named = (found, unfinished, records, torn, quarantined, discarded)
    parents = (parent for one in records.values() for parent in one.record.parent_ids)
    return DataRootContents(
        path=path,
        uuid=uuid,
        generation=generation,
        data=frozenset(found),
        unfinished=frozenset(unfinished),
        records=records,
        torn=torn,
        quarantined=frozenset(quarantined),
        failed_sync=failed_sync,
        last_id=max((*(max(ids, default=0) for ids in named), *parents), default=0),
    )


def _owner(directory: SecureDirectory) -> tuple[str, int]:
    """The metastore that a data root belongs to, and how often it was opened with that."""
    owner, _, generation = (directory.read(layout.UUID) or b"").decode("ascii", "replace").strip().partition(" ")
    return owner, int(generation) if generation.isdecimal() else 0


def _records(directory: SecureDirectory, watch: Watch) -> tuple[dict[int, RecoveryRecord], dict[int, str]]:
    """The recovery records that can be read, and what is wrong with the others."""
    records: dict[int, RecoveryRecord] = {}
    torn: dict[int, str] = {}
    if not directory.has(layout.RECORDS):
        return records, torn
    with directory.subdirectory(layout.RECORDS) as below:
        for name in watch(list(below.names()), "recovery records"):
            if (id_ := _id(name)) is None:
                continue
            try:
                data = below.read(name, LIMIT)
                record = None if data is None else RecoveryRecord.decode(data)  # None: removed meanwhile
            except (Error, OSError) as error:
                torn[id_] = str(error)
                continue
            if record is None:
                continue
            if record.record.id == id_:
                records[id_] = record
            else:
                torn[id_] = f"it is the recovery record of identifier {record.record.id}"
    return records, torn


def _names(directory: SecureDirectory, name: str) -> list[str]:
    if not directory.has(name):
        return []
    with directory.subdirectory(name) as below:
        return list(below.names())


def _leading_ids(directory: SecureDirectory, name: str) -> Iterator[int]:
    """The identifiers that the names in a directory begin with."""
    for entry in _names(directory, name):
        if (id_ := _leading_id(entry)) is not None:
            yield id_


def _leading_id(name: str) -> int | None:
    return _id(name.partition("-")[0].partition(".")[0])


def _id(name: str) -> int | None:
    """The identifier that a name is; None where it is none."""
    if not (name.isascii() and name.isdecimal()) or (len(name) > 1 and name[0] == "0"):
        return None
    return id_ if (id_ := int(name)) < _IDENTIFIERS else None
