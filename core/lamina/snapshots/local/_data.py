"""The data of snapshots, made by a backend in a data root."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator

import attrs

from lamina.errdefs import DataLoss, Error, NotFound, from_os_error
from lamina.mount import Mount
from lamina.snapshots._contract import Usage
from lamina.snapshots.local._backend import Backend
from lamina.snapshots.local._root import DataRoot
from lamina.snapshots.storage import Record, SnapshotterStore, shorten

_log = logging.getLogger(__name__)


class SnapshotData:
    """Makes, mounts, measures and discards the data of the snapshots of one data root.

    Exceptions of the backend are raised as `lamina.errdefs` classes, which tell lost data from data of a snapshot
    removed meanwhile.
    """

    def __init__(self, backend: Backend, root: DataRoot, store: SnapshotterStore) -> None:
        """Work in a data root.

        Args:
            backend: The backend.
            root: The data root.
            store: The records of the snapshots.
        """
        self._backend = backend
        self._root = root
        self._store = store

    def make(self, record: Record) -> None:
        """Make the data of a snapshot atomically."""
        with self._using(record, "make the data of"):
            self._root.make(record.id, functools.partial(self._create, record))

    def check_unused(self, record: Record) -> None:
        """Check that a new identifier has no data (`DataRoot.check_unused`)."""
        try:  # not `_using`: see `mounts`
            self._root.check_unused(record.id)
        except OSError as error:
            raise self._explained(error, record, "make the data of") from error

    def _create(self, record: Record, path: str) -> None:
        with self._root.synced() if self.syncs(record) else contextlib.nullcontext():
            self._backend.create(record, path)

    def syncs(self, record: Record) -> bool:
        """Return whether the data of a new snapshot is synced before its record is stored."""
        return self._root.syncs and self._backend.has_data(record) and self._backend.needs_sync(record)

    def is_as_created(self, active: Record, usage: Usage) -> bool:
        """Report whether a snapshot to be committed is what `make_committed` makes.

        Args:
            active: Its record.
            usage: Its disk usage.
        """
        committed = attrs.evolve(active, usage=usage)
        return self._can_make_committed(committed) and self._backend.is_unchanged(active)

    def make_committed(self, record: Record) -> bool:
        """Make the data of a committed snapshot that a crash lost; return False where that is impossible.

        It is possible for an empty snapshot with a parent. Of these, the commit has synced all but those for which
        `is_as_created` held.
        """
        if not self._can_make_committed(record):
            return False
        self._root.discard_remains(record.id)
        self.make(attrs.evolve(record, info=attrs.evolve(record.info, labels={})))
        return True

    def _can_make_committed(self, record: Record) -> bool:
        return bool(record.usage.inodes == 1 and record.parent_ids) and self._backend.creates_empty(record)

    def mounts(self, record: Record) -> list[Mount]:
        """Return the mounts of a snapshot."""
        try:  # like `_using`, without the cost of a generator: only stat is called more often
            return self._backend.mounts(record)
        except (NotFound, OSError) as error:
            raise self._explained(error, record, "mount") from error

    def usage(self, record: Record) -> Usage:
        """Measure the disk usage of a snapshot."""
        with self._using(record, "measure"):
            return self._backend.usage(record)

    def discard(self, id_: int, *, unfinished: bool = False) -> None:
        """Discard data. On failure, the next start reclaims it.

        Args:
            id_: The identifier, which no snapshot has any more.
            unfinished: Whether there may be unfinished data too.
        """
        try:
            if unfinished:
                self._root.discard_unfinished(id_)
            self._root.discard(id_)
        except (Error, OSError) as error:
            _log.warning("data of a removed snapshot is still there", exc_info=error, extra={"id": id_})

    def give_up_active(self, record: Record) -> None:
        """Discard data that only the active snapshot needed, after its commit."""
        try:
            self._backend.committed(record)
        except (Error, OSError) as error:
            _log.warning(
                "could not discard the data that only the active snapshot needed",
                exc_info=error,
                extra={"id": record.id},
            )

    @contextlib.contextmanager
    def _using(self, record: Record, operation: str) -> Iterator[None]:
        """Raise errors of an operation on the data of a snapshot as lamina's."""
        try:
            yield
        except (NotFound, OSError) as error:
            raise self._explained(error, record, operation) from error

    def _explained(self, error: NotFound | OSError, record: Record, operation: str) -> Error:
        """Return the error to raise; for missing data, it tells whether the data is lost or was removed."""
        named = f"{operation} snapshot {shorten(record.info.name)}"
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            return from_os_error(error, named)
        own = self._store.record(record.id)
        if own is None and record.parent_ids:
            own = self._store.record(record.parent_ids[0])
        if own is None:
            return NotFound(f"{named}: it was removed meanwhile")
        return DataLoss(f"{named}: its data, or its parent's, is missing: {error}")
