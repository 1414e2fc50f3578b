"""Where removed data waits for its deletion."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import threading
import uuid
from collections.abc import Callable
from typing import Final

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DeadlineExceeded, Error, FailedPrecondition

_log = logging.getLogger(__name__)

NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
"""The errors of a full file system (open(2))."""
SHOWN: Final = 3
"""How many failures a message shows."""
_FIRST_SECONDS: Final = 0.2
"""How long what an earlier process left waits: the host that is starting has enough to do."""


class Trash:
    """A directory whose entries are deleted by a thread in the background.

    Moving something there is one rename, however large it is. What is left of an earlier process goes as well.
    """

    def __init__(self, path: str, destroy: Callable[[str], None]) -> None:
        """Take over a directory. Nothing is deleted before `start`.

        Args:
            path: The directory, which must exist and be on the file system of what is put there.
            destroy: Deletes one entry, given its path.
        """
        self._path = path
        self._destroy = destroy
        self._mark = uuid.uuid4().hex
        """Makes names new: what another process put there may not be deleted yet."""
        self._numbers = itertools.count()
        self._emptying = threading.Lock()
        self._context = CallContext()
        self._filled = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, first: Callable[[], None]) -> None:
        """Start the thread. It begins with the first removal, or a moment later.

        Args:
            first: What it does before it deletes anything.
        """
        self._thread = threading.Thread(target=self._work, args=(first,), name=f"trash {self._path}", daemon=True)
        self._thread.start()

    def put(self, source: str) -> None:
        """Move a file or directory to the trash. Nothing happens where it does not exist.

        Where there is no space even for that, it is deleted where it is, before this returns.

        Raises:
            OSError: It cannot be moved.
            Error: It cannot be deleted, or the call is no longer wanted.
        """
        try:
            os.rename(source, f"{self._path}/{os.path.basename(source)}-{self._mark}-{next(self._numbers)}")
        except FileNotFoundError:
            if os.path.lexists(source):
                raise
            return
        except OSError as error:
            # A copy-on-write file system that is full refuses a rename, while it keeps some space for deletions.
            if error.errno not in NO_SPACE:
                raise
            self._destroy(source)
            return
        self._filled.set()

    def empty(self) -> None:
        """Delete all that is in the trash now, and return when it is gone.

        Raises:
            FailedPrecondition: Some entries could not be deleted. The others are gone.
        """
        failures: list[Exception] = []
        with self._emptying:
            for name in os.listdir(self._path):
                try:
                    self._destroy(os.path.join(self._path, name))
                except (Canceled, DeadlineExceeded):
                    raise
                except (Error, OSError) as error:
                    failures.append(error)
        if failures:
            reasons = "; ".join(str(failure) for failure in failures[:SHOWN])
            raise FailedPrecondition(
                f"{len(failures)} removed snapshots in {self._path} could not be deleted: {reasons}"
            ) from failures[0]

    def _work(self, first: Callable[[], None]) -> None:
        self._filled.wait(_FIRST_SECONDS)
        with use(self._context):
            first()
            while True:
                self._filled.clear()
                if self._context.cancelled:
                    return
                try:
                    self.empty()
                except Canceled:
                    return
                except (Error, OSError) as error:
                    _log.warning("will try again with the next removal: %s", error)
                self._filled.wait()

    def close(self) -> None:
        """Stop deleting; what is left is deleted by the next process. Closing twice does nothing."""
        self._context.cancel()
        self._filled.set()
        if self._thread is not None:
            self._thread.join()
