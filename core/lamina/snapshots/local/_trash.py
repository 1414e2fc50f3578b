"""The trash, in which removed data waits to be deleted."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Final

from lamina.context import CallContext, current, use
from lamina.errdefs import Canceled, DeadlineExceeded, Error, FailedPrecondition, ResourceExhausted
from lamina.fs import SecureDirectory, syncfs

_log = logging.getLogger(__name__)

NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
"""The errors of a full file system (open(2))."""
PAUSES: Final = (0.0, 0.05, 0.2, 0.8, 3.2)
"""Seconds before each further attempt to delete something on a full disk: btrfs frees space late."""
SHOWN: Final = 3
"""Maximum number of failures that a message shows."""
_FIRST_SECONDS: Final = 0.2
"""The delay before data left by an earlier process is deleted: a starting host is busy."""
_DELAY: Final = 0.05
"""Seconds during which removals are collected: reading the directory for each would cost too much."""


class Trash:
    """A directory whose entries a background thread deletes, those of earlier processes included.

    Moving a tree there is one rename, however large it is.
    """

    def __init__(self, directory: SecureDirectory, destroy: Callable[[str], None]) -> None:
        """Use a directory. Nothing is deleted before `start`.

        Args:
            directory: The directory, on the file system of the data. The caller closes it after this.
            destroy: Deletes one directory, given its path.
        """
        self._path = directory.path
        self._directory = directory
        self._destroy = destroy
        self._mark = uuid.uuid4().hex
        """Makes names unique: entries of another process may not be deleted yet."""
        self._numbers = itertools.count()
        self._left: set[tuple[SecureDirectory, str]] = set()
        """Entries of other directories that could not be discarded."""
        self._emptying = threading.Lock()
        self._context = CallContext()
        self._filled = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, first: Callable[[], None]) -> None:
        """Start the thread. It begins with the first removal, or after `_FIRST_SECONDS`.

        Args:
            first: Called by the thread before it deletes anything.
        """
        self._thread = threading.Thread(target=self._work, args=(first,), name=f"trash {self._path}", daemon=True)
        self._thread.start()

    def put(self, source: SecureDirectory, name: str) -> None:
        """Move a file or directory to the trash, if it exists.

        If there is no space even for a rename, delete it in place before returning.

        Args:
            source: The directory that holds it.
            name: Its name there.

        Raises:
            OSError: It cannot be moved.
            Error: It cannot be deleted, or the call was cancelled.
        """
        new_name = f"{name}-{self._mark}-{next(self._numbers)}"
        try:
            os.rename(name, new_name, src_dir_fd=source.fd, dst_dir_fd=self._directory.fd)
        except FileNotFoundError:
            if source.has(name):
                raise
            return
        except OSError as error:
            # A full copy-on-write file system refuses renames, but reserves some space for deletions.
            if error.errno not in NO_SPACE:
                raise
            self._delete(source, name)
            return
        if not self._filled.is_set():  # setting it again would take a lock
            self._filled.set()

    def discard(self, source: SecureDirectory, name: str) -> None:
        """Move a file or directory to the trash, if it exists; what cannot be moved is deleted by `empty`.

        Args:
            source: The directory that holds it, which stays open as long as the trash.
            name: Its name there, which nothing else will ever have.
        """
        try:
            self.put(source, name)
        except (Error, OSError) as error:
            _log.warning(
                "could not discard removed data yet", exc_info=error, extra={"entry": source.path_of(name)}
            )
            self._left.add((source, name))
            self._filled.set()

    def entries(self) -> Iterator[tuple[SecureDirectory, str]]:
        """Yield the directory and the name of all that is discarded and not yet deleted.

        Raises:
            OSError: The directory cannot be read.
        """
        yield from tuple(self._left)
        for name in self._directory.names():
            yield self._directory, name

    def empty(self, *, patient: bool = False) -> None:
        """Delete all present entries, and return when they are gone.

        Args:
            patient: Try again, after `PAUSES`, if there is no space for a deletion.

        Raises:
            FailedPrecondition: Some entries could not be deleted. The others are gone.
            OSError: The directory cannot be read, or the file system cannot be synced.
        """
        failures = self._delete_all()
        for pause in PAUSES if patient else ():
            if not any(map(is_no_space, failures)):
                break
            self._closed.wait(pause)
            current().check()
            syncfs(self._directory.fd)  # btrfs frees deleted blocks only then
            failures = self._delete_all()
        if failures:
            reasons = "; ".join(str(failure) for failure in failures[:SHOWN])
            raise FailedPrecondition(
                f"{len(failures)} removed snapshots in {self._path} could not be deleted: {reasons}"
            ) from failures[0]

    def _delete_all(self) -> list[Exception]:
        """Delete all entries, and return why some cannot be deleted."""
        failures: list[Exception] = []
        with self._emptying:
            for directory, name in list(self.entries()):
                try:
                    self._delete(directory, name)
                except (Canceled, DeadlineExceeded):
                    raise
                except (Error, OSError) as error:
                    failures.append(error)
                else:
                    self._left.discard((directory, name))
        return failures

    def _delete(self, directory: SecureDirectory, name: str) -> None:
        """Delete an entry. `destroy`, which works by path, is called for directories only, never for links."""
        try:
            os.unlink(name, dir_fd=directory.fd)
        except IsADirectoryError:
            self._destroy(directory.path_of(name))
        except FileNotFoundError:
            return

    def _work(self, first: Callable[[], None]) -> None:
        self._filled.wait(_FIRST_SECONDS)
        with use(self._context):
            first()
            while True:
                self._filled.clear()
                if self._context.cancelled:
                    return
                try:
                    self.empty(patient=True)
                except Canceled:
                    return
                except (Error, OSError) as error:
                    _log.warning("will try again with the next removal: %s", error)
                self._filled.wait()
                self._closed.wait(_DELAY)

    def close(self) -> None:
        """Stop deleting; the next process deletes the rest. Closing twice does nothing."""
        self._context.cancel()
        self._closed.set()
        self._filled.set()
        if self._thread is not None:
            self._thread.join()


def is_no_space(error: Exception) -> bool:
    """Return whether an error means that a file system is full."""
    return isinstance(error, ResourceExhausted) or (isinstance(error, OSError) and error.errno in NO_SPACE)
