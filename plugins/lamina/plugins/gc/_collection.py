"""`Collection`: one collection in a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Self

from lamina.context import cancellable, use

if TYPE_CHECKING:
    from lamina.metadata.collection import Removed

INTERVAL: Final = 0.1
"""Seconds between two batches."""
_MOST_WAITING: Final = 4096
"""Maximum number of removals that a client has not read. Beyond it, the collection waits."""


class Collection:
    """Runs during its block. Leaving the block stops it after its current removal.

    It has a thread of its own, so that a client that reads slowly does not slow down the removals.
    """

    def __init__(self, collect: Callable[[], Iterator[Removed]]) -> None:
        """Prepare a collection."""
        self._ending = contextlib.ExitStack()
        self._context = self._ending.enter_context(cancellable())  # a stream may end before its call is cancelled
        self._collect = collect
        self._found: queue.Queue[Removed] = queue.Queue(_MOST_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="collection", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._context.cancel()
        self._thread.join()
        self._ending.close()

    def batches(self) -> Iterator[list[Removed]]:
        """Yield what was removed, at most every `INTERVAL`, until the end.

        Raises:
            BaseException: Any exception of the collection.
        """
        ended = False
        while not ended:
            self._thread.join(INTERVAL)
            ended = not self._thread.is_alive()
            if batch := [self._found.get_nowait() for _ in range(self._found.qsize())]:
                yield batch
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with use(self._context):
                for removed in self._collect():
                    self._put(removed)
        except BaseException as error:  # noqa: BLE001 - `batches` raises it
            self._error = error

    def _put(self, removed: Removed) -> None:
        while not self._context.cancelled:  # after that nothing is read, and the collection ends by itself
            with contextlib.suppress(queue.Full):
                return self._found.put(removed, timeout=INTERVAL)
        return None
