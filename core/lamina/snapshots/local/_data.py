"""The data of snapshots, made by a backend in a data root."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Iterator

import attrs

from lamina.errdefs import DataLoss, Error, NotFound, from_os_error
from lamina.mount import Mount
from lamina.snapshots._contract import Kind, Usage
from lamina.snapshots.local._backend import Backend
from lamina.snapshots.local._root import DataRoot
from lamina.snapshots.storage import Record, SnapshotterStore, shorten

_log = logging.getLogger(__name__)


class SnapshotData:
    """Makes, mounts, measures and discards the data of the snapshots of one data root.

    Exceptions of the backend are raised as `lamina.errdefs` classes, which distinguish lost data from data of a
    snapshot removed meanwhile.
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

    def can_make_again(self, record: Record) -> bool:
        """Return whether a committed snapshot is empty and its lowest layer exists, so that it can be made again.

        Of these, a commit syncs all but those for which `is_as_created` holds.
        """
        return self._is_empty_on_base(record, record.usage)

    def _is_empty_on_base(self, record: Record, usage: Usage) -> bool:
        if usage.inodes != 1 or not record.parent_ids:
            return False
        return os.path.lexists(self._root.data_path(record.parent_ids[-1])) and self._backend.creates_empty(record)

    def is_as_created(self, active: Record, usage: Usage) -> bool:
        """Return whether a snapshot to be committed is what `make_again` makes.

        Args:
            active: Its record.
            usage: Its disk usage.
        """
        return self._is_empty_on_base(active, usage) and self._backend.is_unchanged(active)

    def make_again(self, record: Record) -> None:
        """Make the data of a snapshot that a crash lost."""
        self._root.discard_remains(record.id)
        if record.info.kind is Kind.COMMITTED:  # its labels are not those that it was created with
            record = record._replace(info=attrs.evolve(record.info, labels={}))
        try:
            self.make(record)
        except BaseException:
            self._root.discard_unfinished(record.id)
            raise

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

    def undo_commit(self, record: Record) -> None:
        """Discard data that an interrupted commit of an active snapshot made."""
        try:
            self._backend.undo_commit(record)
        except (Error, OSError) as error:
            _log.warning(
                "could not discard the data of an interrupted commit", exc_info=error, extra={"id": record.id}
            )

    @contextlib.contextmanager
    def _using(self, record: Record, operation: str) -> Iterator[None]:
        """Raise errors of an operation on the data of a snapshot as lamina's."""
        try:
            yield
        except (NotFound, OSError) as error:
            raise self._explained(error, record, operation) from error

    def _explained(self, error: NotFound | OSError, record: Record, operation: str) -> Error:
        """Return the error to raise; for missing data, it says whether the data is lost or was removed."""
        named = f"{operation} snapshot {shorten(record.info.name)}"
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            return from_os_error(error, named)
        own = self._store.record(record.id)
        if own is None and record.parent_ids:
            own = self._store.record(record.parent_ids[0])
        if own is None:
            return NotFound(f"{named}: it was removed meanwhile")
        return DataLoss(f"{named}: its data, or its parent's, is missing: {error}")
