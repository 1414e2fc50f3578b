"""`Work`: slow work in a thread of its own, whose progress is sent while it runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from lamina.context import cancellable, use

if TYPE_CHECKING:
    from lamina.images import Progress, Report

T = TypeVar("T")

INTERVAL: Final = 0.1
"""Seconds between two messages about progress."""


class Work(Generic[T]):
    """Runs in a thread during its block. Leaving the block cancels it, and waits for its end."""

    def __init__(self, do: Callable[[Report], T]) -> None:
        """Prepare work.

        Args:
            do: The work, run in the context of the current call. It reports its progress.
        """
        self._ending = contextlib.ExitStack()
        self._context = self._ending.enter_context(cancellable())  # a stream may end before its call is cancelled
        self._do = do
        self._result: Future[T] = Future()
        self._latest: dict[tuple[str, str], Progress] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="transfer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._context.cancel()
        self._thread.join()
        self._ending.close()

    def progress(self) -> Iterator[list[Progress]]:
        """Yield what has changed, at most every `INTERVAL`, until the work has ended."""
        ended = False
        while not ended:
            self._thread.join(INTERVAL)
            ended = not self._thread.is_alive()
            if changed := self._take():
                yield changed

    def result(self) -> T:
        """Return the result of work that has ended, or raise its error."""
        return self._result.result(timeout=0)

    def _run(self) -> None:
        try:
            with use(self._context):
                self._result.set_result(self._do(self._report))
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._result.set_exception(error)

    def _report(self, progress: Progress) -> None:
        with self._lock:
            self._latest[progress.what, progress.digest] = progress

    def _take(self) -> list[Progress]:
        with self._lock:
            changed, self._latest = self._latest, {}
        return [*changed.values()]
