"""The database of a host."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import uuid
from collections.abc import Iterator, Sequence
from typing import IO, ClassVar, Self

from lamina.errdefs import (
    DataLoss,
    Error,
    FailedPrecondition,
    ReadOnly,
    ResourceExhausted,
    from_os_error,
    translated,
)
from lamina.fs import Ballast, Lock, SecureDirectory, is_full_or_read_only, opened
from lamina.metrics import Metric
from lamina.places import LOCK
from lamina.store import _checksum as checksum
from lamina.store._environment import MAP_SIZE, Environment, Transaction
from lamina.store._format import SCHEMA, SCHEMA_KEY, UUID, VERSION
from lamina.store._startup_checks import Checks
from lamina.store._table import Migrate, Table, open_table

_log = logging.getLogger(__name__)


class Store:
    """The database of a host: one LMDB environment in a directory of its own.

    Opened by one process at a time, and not used in a forked child. A subclass for owners whose entries are not in
    tables sets `entry_check` and overrides `_migrate` and `_salvage`.
    """

    entry_check: ClassVar[str] = "lamina.store._intact"
    """The name of the module that checks entries (`EntryCheck`)."""

    def __init__(
        self,
        path: str,
        state: str,
        lock: Lock,
        environment: Environment,
        ballast: Ballast,
        checks: Checks,
    ) -> None:
        """Use `open`."""
        self.path = path
        self.state = state
        self._lock = lock
        self._environment = environment
        self._ballast = ballast
        self._checks = checks
        self._opened_at: int = environment.read(lambda transaction: transaction.id())
        """The last transaction of earlier processes."""
        self.uuid = environment.read(_known_uuid) or environment.write(self._initialise)
        """The UUID of the store, which is also in every data root that belongs to it."""

    @classmethod
    def open(cls, path: str, state: str = "", map_size: int = MAP_SIZE) -> Self:
        """Open the store in a directory; create both (0700) if they do not exist.

        The file is checked first.

        Args:
            path: The directory.
            state: A directory for files that need not survive a reboot, best on a tmpfs; empty: the store's own,
                which also replaces one that cannot be created on a full disk.
            map_size: Bytes of address space to reserve at first; grows when needed.

        Raises:
            LockHeld: Another process has it open.
            PermissionDenied: Another user could plant files in the directory.
            FailedPrecondition: It was written by a newer lamina; or one of its files is a link, or another user's.
            DataLoss: It is damaged, and too little is intact.
            ResourceExhausted, ReadOnly: It is not writable, and is new or must be migrated; others are opened.
        """
        with contextlib.ExitStack() as undo:
            with translated("make the metastore's directory"):
                directory = undo.enter_context(SecureDirectory.open(path, create_mode=0o700))
                state = _make_state(state) or path
            lock = Lock.acquire(directory.path_of(LOCK), dir_fd=directory.fd)
            undo.callback(lock.close)
            checks = Checks(path, cls.entry_check)
            try:
                if problems := checks.check():
                    cls._salvage(path, problems)
            except OSError as error:
                raise _unreadable(path, error) from error
            environment = Environment(path, state, map_size)
            undo.callback(environment.close)
            checks.start(environment)
            undo.callback(checks.stop)
            ballast = Ballast(directory.path_of("ballast"))
            undo.callback(ballast.close)
            store = cls(path, state, lock, environment, ballast, checks)
            _sync_names(directory)
            undo.pop_all()
            directory.close()
            return store

    def table(self, owner: str, version: int, migrate: Migrate | None = None) -> Table:
        """Return the entries of an owner, which it alone interprets.

        Entries of earlier versions are migrated first, in one transaction for each version.

        Args:
            owner: Its name, 1 to 16 lower-case letters, which never changes.
            version: The version of its keys and values, 1 to 255.
            migrate: Returns the key and the value of an entry in this version, given the entry's version, key and
                value. Needed from the second version on.

        Raises:
            FailedPrecondition: A newer lamina wrote some of the entries.
            DataLoss: An entry to be migrated is damaged. Nothing is changed.
            ResourceExhausted, ReadOnly: The entries must be migrated, and the store is not writable.
        """
        return open_table(self._environment, owner, version, migrate, self._ballast.release)

    @contextlib.contextmanager
    def copy(self) -> Iterator[int]:
        """Make a consistent copy of the store's file in an unnamed temporary file beside it, or in memory.

        Memory is used where the disk is full or read-only, since the store may need to be examined then.

        Yields:
            Its descriptor, which is closed at the end of the block.

        Raises:
            ResourceExhausted: There is no space for the copy.
            Unavailable: The store is closed.
        """
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(_unnamed_file(self.path))
                self._environment.copy(file.fileno())
            except (ReadOnly, ResourceExhausted):
                file = stack.enter_context(open(os.memfd_create("metastore"), "w+b", buffering=0))
                self._environment.copy(file.fileno())
            yield file.fileno()

    def metrics(self) -> Iterator[Metric]:
        """Yield the size of the store, and the durations of commits.

        Raises:
            Unavailable: The store is closed.
        """
        yield from self._environment.metrics()

    def outage(self) -> str:
        """Return why nothing can be stored, or "" if something can (see `Environment.outage`)."""
        return self._environment.outage()

    def close(self) -> None:
        """Close the store after the operations in progress. Closing twice does nothing."""
        self._ballast.close()
        self._checks.stop()
        self._environment.close()
        self._checks.mark_closed()
        self._lock.close()

    def _initialise(self, transaction: Transaction) -> str:
        """Create or migrate the store, and return its UUID."""
        found = int(transaction.get(SCHEMA_KEY, b"0"))
        if found > SCHEMA:
            raise FailedPrecondition(
                f"metastore {self.path} has schema version {found}, this lamina reads up to {SCHEMA}: "
                "upgrade lamina"
            )
        if not found and transaction.stat()["entries"]:
            raise DataLoss(
                f"metastore {self.path} is damaged: its schema version is missing. Restart lamina: it checks "
                "all of it"
            )
        if not found:
            checksum.put(transaction, UUID, str(uuid.uuid4()).encode())
        elif found < SCHEMA:
            extra = {"path": self.path, "old": found, "new": SCHEMA}
            _log.info("migrating the metastore to a new schema", extra=extra)
            self._migrate(transaction, found)
        if found < SCHEMA:  # otherwise there is nothing to store
            transaction.put(SCHEMA_KEY, str(SCHEMA).encode())
            checksum.put(transaction, VERSION, str(SCHEMA).encode())
        return (checksum.get(transaction, UUID) or b"").decode()

    def _migrate(self, transaction: Transaction, version: int) -> None:
        """Migrate the entries outside tables to the present schema.

        Raises:
            DataLoss: An entry cannot be read. Nothing is changed.
        """
        raise FailedPrecondition(
            f"metastore {self.path} has schema version {version}, which only a host can migrate: start one on it"
        )

    @classmethod
    def _salvage(cls, path: str, problems: Sequence[str]) -> None:
        """Replace a damaged file by a sound one.

        Raises:
            DataLoss: Too little is intact.
        """
        raise DataLoss(
            f"metastore {path} is damaged: {'; '.join(problems[:3])}. Nothing was changed: `lamina metastore "
            "rebuild` repairs it"
        )


def _known_uuid(transaction: Transaction) -> str:
    """Return the UUID of a store of the present schema; "" if it must be created, migrated or refused."""
    is_present = transaction.get(SCHEMA_KEY) == str(SCHEMA).encode()
    return (checksum.get(transaction, UUID) or b"").decode() if is_present else ""


def _make_state(state: str) -> str:
    """Make the directory; return "" if the disk is full or read-only."""
    try:
        if state:
            SecureDirectory.open(state, create_mode=0o700).close()
    except OSError as error:
        if not is_full_or_read_only(error):
            raise
        _log.warning("cannot make the directory of the metastore's state", exc_info=error, extra={"path": state})
        return ""
    return state


def _sync_names(directory: SecureDirectory) -> None:
    """Sync the names of the metastore and of its file.

    Not with `lamina.fs.fsync`: either may be on a read-only file system, and every commit checks what that checks.
    """
    with opened(os.path.dirname(directory.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as parent:
        for fd in (directory.fd, parent):
            try:
                os.fsync(fd)
            except OSError as error:
                if error.errno != errno.EROFS:  # an error made the file system read-only: nothing can be stored
                    raise


def _unnamed_file(directory: str) -> IO[bytes]:
    import tempfile

    with translated("make a temporary file for a copy of the metastore"):
        return tempfile.TemporaryFile(dir=directory)


def _unreadable(path: str, error: OSError) -> Error:
    """Return the error for a metastore that could not be checked or replaced, and may or may not be damaged."""
    problem = from_os_error(error, f"check metastore {path}")
    remedy = "nothing was changed: check the disk (dmesg); `lamina metastore rebuild` rebuilds a lost metastore"
    return type(problem)(f"{problem}; {remedy}")
