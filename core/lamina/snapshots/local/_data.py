"""The data of snapshots: what a backend makes in a data root."""

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
    """The data of the snapshots of one data root: made, mounted, measured and given up by a backend.

    What a backend raises is raised as `lamina.errdefs` classes, which say whether data that is missing is lost or
    rightly gone.
    """

    def __init__(self, backend: Backend, root: DataRoot, store: SnapshotterStore) -> None:
        """Work in a data root.

        Args:
            backend: Makes what is there.
            root: The data root.
            store: Says which snapshots there are.
        """
        self._backend = backend
        self._root = root
        self._store = store

    def make(self, record: Record) -> None:
        """Make the data of a snapshot: whole, or not at all."""
        with self._using(record, "make the data of"):
            self._root.make(record.id, functools.partial(self._create, record))

    def check_unused(self, record: Record) -> None:
        """Check that there is no data of a new identifier (`DataRoot.check_unused`)."""
        try:  # not `_using`: see `mounts`
            self._root.check_unused(record.id)
        except OSError as error:
            raise self._explained(error, record, "make the data of") from error

    def _create(self, record: Record, path: str) -> None:
        with self._root.synced() if self.syncs(record) else contextlib.nullcontext():
            self._backend.create(record, path)

    def syncs(self, record: Record) -> bool:
        """Whether what is made for a snapshot is synced before its record is stored."""
        return self._root.syncs and self._backend.has_data(record) and self._backend.needs_sync(record)

    def is_as_created(self, active: Record, usage: Usage) -> bool:
        """Report whether a snapshot to be committed is what `make_committed` makes.

        Args:
            active: Its record.
            usage: What it takes up.
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
        """The mounts of a snapshot."""
        try:  # what `_using` does, in the most frequent call but stat, without what a generator costs
            return self._backend.mounts(record)
        except (NotFound, OSError) as error:
            raise self._explained(error, record, "mount") from error

    def usage(self, record: Record) -> Usage:
        """What a snapshot takes up now."""
        with self._using(record, "measure"):
            return self._backend.usage(record)

    def discard(self, id_: int, *, unfinished: bool = False) -> None:
        """Give up data. What cannot be given up now is reclaimed at the next start.

        Args:
            id_: The identifier, which no snapshot has any more.
            unfinished: Whether some may not be whole.
        """
        try:
            if unfinished:
                self._root.discard_unfinished(id_)
            self._root.discard(id_)
        except (Error, OSError) as error:
            _log.warning("data of a removed snapshot is still there", exc_info=error, extra={"id": id_})

    def give_up_active(self, record: Record) -> None:
        """Give up what only an active snapshot needed, of one that is committed now."""
        try:
            self._backend.committed(record)
        except (Error, OSError) as error:
            _log.warning(
                "what only the active snapshot needed is still there", exc_info=error, extra={"id": record.id}
            )

    @contextlib.contextmanager
    def _using(self, record: Record, asked: str) -> Iterator[None]:
        """Work on the data of a snapshot."""
        try:
            yield
        except (NotFound, OSError) as error:
            raise self._explained(error, record, asked) from error

    def _explained(self, error: NotFound | OSError, record: Record, asked: str) -> Error:
        """What to raise for an error: if some data is not there, say whether it is lost, or rightly gone."""
        named = f"{asked} snapshot {shorten(record.info.name)}"
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            return from_os_error(error, named)
        own = self._store.record(record.id)
        if own is None and record.parent_ids:
            own = self._store.record(record.parent_ids[0])
        if own is None:
            return NotFound(f"{named}: it was removed meanwhile")
        return DataLoss(f"{named}: its data, or its parent's, is missing: {error}")
