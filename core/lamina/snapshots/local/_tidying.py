"""Repairs at a start: data lost in a crash, and work left undone by interrupted calls."""

from __future__ import annotations

import logging
import os
from typing import Final

from lamina.context import KeyedLock, current
from lamina.errdefs import Canceled, DeadlineExceeded, Error, HasChildren, ReadOnly, ResourceExhausted
from lamina.snapshots._contract import Kind
from lamina.snapshots.local._backend import Backend
from lamina.snapshots.local._data import SnapshotData
from lamina.snapshots.local._root import DataRoot
from lamina.snapshots.local._throttled import throttled
from lamina.snapshots.storage import Record, SnapshotterStore
from lamina.steps import run

_log = logging.getLogger(__name__)

BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
"""A UUID that is new at each boot of the machine (random(4))."""


class Tidying:
    """Repairs the existing snapshots of a data root at a start."""

    def __init__(
        self, backend: Backend, root: DataRoot, store: SnapshotterStore, data: SnapshotData, commits: KeyedLock
    ) -> None:
        """Repair nothing yet.

        Args:
            backend: Repairs the data of a snapshot.
            root: The data root.
            store: The records of the snapshots.
            data: Makes data again.
            commits: Held while a snapshot is being committed, by its keyspace and key.
        """
        self._backend = backend
        self._root = root
        self._store = store
        self._data = data
        self._commits = commits

    def restore(self) -> None:
        """Make again the directories that a crash of the machine lost, because they had not been synced.

        If the metastore was salvaged, first drop records of removed snapshots that have come back.
        """
        if self._store.is_salvaged():
            self._drop_removed()
        with open(BOOT_ID, encoding="ascii") as file:
            boot = file.read().strip()
        if self._store.boot() == boot:
            return
        for record in self._store.records():
            self._restore_one(record)
        try:
            self._store.remember_boot(boot)
        except (ResourceExhausted, ReadOnly) as error:
            _log.warning("cannot store that directories were checked since the boot", exc_info=error)

    def _drop_removed(self) -> None:
        """Drop records with neither data nor recovery record: the disk kept them from before their removal."""
        for record in sorted(filter(self._is_removed, self._store.records()), key=lambda record: -record.id):
            found = self._store.record(record.id)
            if found is None:
                continue
            try:
                run(self._store.keyspace(found[0]).remove(record.info.name))
            except (HasChildren, ResourceExhausted, ReadOnly) as error:
                _log.warning("a listed snapshot has no data", exc_info=error, extra={"id": record.id})
            else:
                _log.warning("dropped a snapshot that had been removed", extra={"key": record.info.name})

    def _is_removed(self, record: Record) -> bool:
        return (
            self._backend.has_data(record)
            and not os.path.lexists(self._root.data_path(record.id))
            and not self._root.records.has(record.id)
            and not self._data.can_make_again(record)  # a power cut loses its data and its recovery record as well
        )

    def _restore_one(self, record: Record) -> None:
        named = {"key": record.info.name, "id": record.id}
        try:
            if not self._backend.has_data(record) or self._backend.repair(record):
                return
            if self._store.record(record.id) is None:  # removed since it was listed
                return
            if record.info.kind is Kind.COMMITTED and not self._data.can_make_again(record):
                _log.error("the data of a committed snapshot is lost", extra=named)
                return
            self._data.make_again(record)
        except (Canceled, DeadlineExceeded):
            raise
        except (Error, OSError) as error:
            _log.error("the data of a snapshot is lost and cannot be made again", exc_info=error, extra=named)
            return
        _log.warning("made the directory of a snapshot again, which a crash had lost", extra=named)
        if self._store.record(record.id) is None:  # removed meanwhile
            self._root.discard(record.id)

    def tidy_up(self) -> None:
        """Count this start, and complete the work of interrupted calls of earlier processes."""
        try:
            self._root.claim.make_if_possible()
            reclaimed = self._root.reclaim()
            if reclaimed:
                _log.info("reclaimed the data of interrupted calls", extra={"entries": reclaimed})
            for record in throttled(self._store.records()):
                current().check()
                if record.id < self._store.first_id:
                    self._tidy_up_one(record)
            added = sum(throttled(self._store.add_checksums())) if self._root.agrees else 0
            if added:
                _log.info("gave entries of an earlier schema their checksums", extra={"entries": added})
        except Canceled:  # closed meanwhile: the next start does the rest
            return
        except (Error, OSError) as error:
            _log.warning("could not tidy up after interrupted calls", exc_info=error)

    def _tidy_up_one(self, record: Record) -> None:
        self._restore_one(record)
        if self._root.records.is_behind(record):
            self._write_recovery_record(record)
        if record.info.kind is Kind.COMMITTED:
            self._data.give_up_active(record)
        elif record.info.kind is Kind.ACTIVE:
            self._undo_commit(record)

    def _undo_commit(self, record: Record) -> None:
        """Undo the steps of an interrupted commit, unless a recovery record says that it was complete."""
        found = self._store.record(record.id)
        if found is None or not self._root.agrees or self._root.records.knows_later(record):
            return
        with self._commits.hold((found[0], record.info.name)):
            found = self._store.record(record.id)  # it may have been committed while this waited
            if found is not None and found[1].info.kind is Kind.ACTIVE:
                self._data.undo_commit(found[1])

    def _write_recovery_record(self, record: Record) -> None:
        if self._root.records.knows_later(record):
            _log.error(
                "the recovery record of a snapshot is newer than its record in the metastore, which lost one: "
                "`lamina metastore rebuild` takes the newer one",
                extra={"key": record.info.name, "id": record.id},
            )
            return
        self._root.records.write(record.id)
