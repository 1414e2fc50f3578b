"""The directories of ingests."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from lamina import content
from lamina.context import current, use
from lamina.errdefs import Error, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, RefLocked
from lamina.fs import SecureDirectory, open_secure_file, remove_tree

if TYPE_CHECKING:
    from lamina.content import Status

_log = logging.getLogger(__name__)

DATA: Final = "data"
REF: Final = "ref"
TOTAL: Final = "total"
_WRITABLE: Final = 0o600
MAX_REF: Final = 4096
"""Bytes of the longest ref."""
EXPIRY: Final = 24 * 3600
"""Seconds after the last write until an ingest is removed, as in containerd."""
_TIDY_INTERVAL: Final = 3600
"""Seconds between two searches for expired ingests."""


class Ingest(NamedTuple):
    """An ingest that is open for writing."""

    status: Status
    """Its progress when it was opened."""
    directory: SecureDirectory
    data: int
    """The descriptor of its data."""
    resources: contextlib.ExitStack
    """Closes both."""


class Ingests:
    """The directory `ingest`, with a directory for each ref, named by the SHA-256 of the ref.

    =========  ===========================================================
    ``ref``    the ref itself
    ``total``  the size that the blob will have, in decimal, if it is known
    ``data``   what is written so far: made last, and gone after a commit
    =========  ===========================================================
    """

    def __init__(self, directory: SecureDirectory) -> None:
        """Remove expired ingests, and remains of those whose process died while they began or ended.

        Args:
            directory: The directory. The caller closes it.
        """
        self._directory = directory
        self._guard = threading.Lock()
        self._locked: dict[str, float] = {}
        """The time since which a writer has each ref, by `time.monotonic()`. Guarded by `_guard`."""
        self._tidied = 0.0
        self.tidy()

    @contextlib.contextmanager
    def locked(self, ref: str) -> Iterator[None]:
        """Hold the lock of a ref during the block; see `lock`."""
        self.lock(ref)
        try:
            yield
        finally:
            self.unlock(ref)

    def lock(self, ref: str) -> None:
        """Lock a ref until `unlock`.

        Raises:
            RefLocked: It is locked.
        """
        now = time.monotonic()
        with self._guard:
            since = self._locked.get(ref)
            if since is None:
                self._locked[ref] = now
                return
        raise RefLocked(f"ref {ref!r} is locked: another writer has had it for {now - since:.1f} s")

    def unlock(self, ref: str) -> None:
        """Release the lock of a ref."""
        with self._guard:
            del self._locked[ref]

    def open(self, ref: str, total: int) -> Ingest:
        """Open or begin the ingest of a ref, which the caller has locked.

        Args:
            ref: The ref.
            total: The size in bytes that the blob will have; 0 if it is not known.

        Raises:
            FailedPrecondition: The data is not a file of this user.
            OSError: The ingest cannot be opened or created.
        """
        with contextlib.ExitStack() as undo:
            directory = undo.enter_context(self._directory.subdirectory(_name(ref), create_mode=0o700))
            if not directory.has(DATA):
                _write(directory, REF, ref.encode())
            if total:
                _write(directory, TOTAL, b"%d" % total)
            data = _open_data(directory)
            undo.callback(os.close, data)
            return Ingest(_status(ref, directory), directory, data, undo.pop_all())

    def status(self, ref: str) -> Status:
        """Implement `ContentStore.status`."""
        try:
            with self._directory.subdirectory(_name(ref)) as directory:
                return _status(ref, directory)
        except FileNotFoundError:
            raise NotFound(f"ingest {ref!r} does not exist") from None

    def statuses(self) -> Iterator[Status]:
        """Yield the progress of every ingest."""
        for name in sorted(self._directory.names()):
            found = self._found(name)
            if found is not None:
                yield found

    def remove(self, ref: str) -> None:
        """Remove the ingest of a ref, which the caller has locked, if there is one."""
        self._remove(_name(ref))

    def tidy(self) -> None:
        """Remove expired ingests and incomplete ones, unless that was done within the last hour."""
        if self._tidied and time.monotonic() - self._tidied < _TIDY_INTERVAL:
            return
        self._tidied = time.monotonic()
        with self._guard:
            locked = {_name(ref) for ref in self._locked}
            expired = [name for name in self._directory.names() if name not in locked and self._is_expired(name)]
            for name in expired:
                try:
                    self._remove(name)
                except (Error, OSError) as error:
                    _log.warning("cannot remove an expired ingest", exc_info=error, extra={"ingest": name})

    def _remove(self, name: str) -> None:
        with use(current().detached()):
            remove_tree(self._directory.path_of(name))

    def _is_expired(self, name: str) -> bool:
        status = self._found(name)
        return status is None or time.time() - status.updated / 1e9 > EXPIRY

    def _found(self, name: str) -> Status | None:
        """Return the progress of the ingest in a directory; None if there is nothing to continue."""
        try:
            with self._directory.subdirectory(name) as directory:
                ref = (directory.read(REF, MAX_REF) or b"").decode(errors="replace")
                # A power cut may have emptied the file.
                return _status(ref, directory) if _name(ref) == name else None
        except (FileNotFoundError, FailedPrecondition, PermissionDenied):  # or not made by this user's processes
            return None


def check_ref(ref: str) -> str:
    """Return the ref unchanged.

    Raises:
        InvalidArgument: It is empty, too long, or not Unicode text.
    """
    try:
        size = len(ref.encode())
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"ref {ref[:64]!r}: not Unicode text: {error.reason}") from None
    if not 0 < size <= MAX_REF:
        raise InvalidArgument(f"ref {ref[:64]!r} has {size} bytes: expected 1 to {MAX_REF}")
    return ref


def _name(ref: str) -> str:
    import hashlib

    return hashlib.sha256(ref.encode()).hexdigest()


def _status(ref: str, directory: SecureDirectory) -> Status:
    """Return the progress of an ingest.

    Raises:
        FileNotFoundError: There is no data.
    """
    data = os.stat(DATA, dir_fd=directory.fd, follow_symlinks=False)
    started = os.stat(REF, dir_fd=directory.fd, follow_symlinks=False)
    total = directory.read(TOTAL) or b""
    return content.Status(
        ref,
        data.st_size,
        int(total) if total.isdigit() else 0,
        started=started.st_mtime_ns,
        updated=data.st_mtime_ns,
    )


def _open_data(directory: SecureDirectory) -> int:
    """Open the data for reading and writing, and return the descriptor. A missing file is created."""
    path, flags = directory.path_of(DATA), os.O_RDWR | os.O_CREAT
    try:
        return open_secure_file(path, flags, _WRITABLE, dir_fd=directory.fd)
    except PermissionError:  # a process that was not root's died in a commit
        fd = open_secure_file(path, os.O_RDONLY, dir_fd=directory.fd)
    try:
        os.fchmod(fd, _WRITABLE)
    finally:
        os.close(fd)
    return open_secure_file(path, flags, _WRITABLE, dir_fd=directory.fd)


def _write(directory: SecureDirectory, name: str, data: bytes) -> None:
    """Write a small file, which a crash may lose with the ingest."""
    with open(directory.create(name), "wb", buffering=0) as file:
        file.write(data)
