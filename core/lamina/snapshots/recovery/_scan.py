"""Scanning a data root without a metastore."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from lamina.errdefs import Error
from lamina.fs import SecureDirectory
from lamina.snapshots.local import layout
from lamina.snapshots.local._progress import read_progress
from lamina.snapshots.storage import failed_sync_in
from lamina.snapshots.storage.file import Contents, Counters
from lamina.snapshots.storage.recovery_record import RecoveryRecord

LIMIT: Final = 64 << 20
"""Maximum size of a recovery record in bytes: four times the size of the largest request."""
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A UUID as text (RFC 9562, section 4)."""
_IDENTIFIERS: Final = 1 << 64
"""The upper bound of identifiers, which have eight bytes in the database."""


@attrs.frozen
class DataRootContents:
    """The contents of a data root, with identifiers taken from the names of files."""

    path: str
    uuid: str = ""
    """The UUID of its metastore, or "" if it is missing or damaged."""
    generation: int = 0
    """The number of times that the metastore was opened with it."""
    transaction: int = 0
    """The last transaction of the metastore since that it knows of; 0 if it knows of none."""
    data: frozenset[int] = frozenset()
    """Identifiers with data."""
    unfinished: frozenset[int] = frozenset()
    """Identifiers with unfinished data."""
    records: Mapping[int, RecoveryRecord] = attrs.field(factory=dict)
    """The intact recovery records."""
    torn: Mapping[int, str] = attrs.field(factory=dict)
    """The problems of the damaged ones."""
    quarantined: frozenset[int] = frozenset()
    """Identifiers in quarantine."""
    failed_sync: int | None = None
    """The highest identifier that a failed sync may have damaged, or None if not stored."""
    last_id: int = 0
    """The highest identifier found anywhere in the data root."""

    def is_newer(self, snapshotter: str, metastore: Contents) -> bool:
        """Return whether the metastore is a copy from before it was last used with the data root."""
        counters = metastore.counters.get(snapshotter, Counters())
        return (self.generation, self.transaction) > (counters.generation, metastore.transaction)

    @property
    def snapshotter(self) -> str:
        """The snapshotter that most recovery records name, or "" if there are none."""
        names = Counter(found.snapshotter for found in self.records.values())
        return names.most_common(1)[0][0] if names else ""

    def data_path(self, id_: int) -> str:
        """Return the path of the data of an identifier."""
        return os.path.join(self.path, layout.SNAPSHOTS, str(id_))

    def record_path(self, id_: int) -> str:
        """Return the path of the recovery record of an identifier."""
        return os.path.join(self.path, layout.RECORDS, str(id_))


def is_data_root(path: str) -> bool:
    """Return whether a directory is, or was, the data root of a local snapshotter."""
    return all(os.path.isdir(os.path.join(path, name)) for name in (layout.SNAPSHOTS, layout.RECORDS))


Watch: TypeAlias = Callable[[Iterable[Any], str], Iterable[Any]]
"""Passes items on and reports progress, given a description."""


def unwatched(items: Iterable[Any], _what: str) -> Iterable[Any]:
    """Return the items, reporting nothing."""
    return items


def scan(path: str, watch: Watch = unwatched) -> DataRootContents:
    """Scan a data root without changing it. Other processes may change it meanwhile.

    Args:
        path: Its absolute path.
        watch: Reports progress through the recovery records.

    Raises:
        PermissionDenied: Another user could change its contents.
        OSError: It cannot be read.
    """
    with SecureDirectory.open(path) as directory:
        uuid, generation = _owner(directory)
        openings, transaction = read_progress(directory, uuid)
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
        generation=max(generation, openings),
        transaction=transaction if openings >= generation else 0,
        data=frozenset(found),
        unfinished=frozenset(unfinished),
        records=records,
        torn=torn,
        quarantined=frozenset(quarantined),
        failed_sync=failed_sync,
        last_id=max((*(max(ids, default=0) for ids in named), *parents), default=0),
    )


def _owner(directory: SecureDirectory) -> tuple[str, int]:
    """Return the UUID of a data root's metastore, and the number of times that was opened with it."""
    owner, _, generation = (directory.read(layout.UUID) or b"").decode("ascii", "replace").strip().partition(" ")
    if not _UUID.fullmatch(owner):
        return "", 0
    return owner, int(generation) if generation.isdecimal() else 0


def _records(directory: SecureDirectory, watch: Watch) -> tuple[dict[int, RecoveryRecord], dict[int, str]]:
    """Return the intact recovery records, and the problems of the others.

    Raises:
        OSError: One cannot be read.
    """
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
            except Error as error:  # a failed read, which may work later, proves no damage
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
    """Yield the identifiers with which names in a directory begin."""
    for entry in _names(directory, name):
        if (id_ := _leading_id(entry)) is not None:
            yield id_


def _leading_id(name: str) -> int | None:
    return _id(name.partition("-")[0].partition(".")[0])


def _id(name: str) -> int | None:
    """Parse a name as an identifier; return None if it is not one."""
    if not (name.isascii() and name.isdecimal()) or (len(name) > 1 and name[0] == "0"):
        return None
    return id_ if (id_ := int(name)) < _IDENTIFIERS else None
