"""Calls of snapshotters, which may never return."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

import attrs

from lamina.context import CallContext, cancellable, current, use
from lamina.errdefs import Unavailable

T = TypeVar("T")
SECONDS: Final = 10.0
"""Seconds within which a snapshotter has to answer."""


@attrs.frozen
class _Part(Generic[T]):
    items: tuple[T, ...] = ()
    error: BaseException | None = None
    is_last: bool = False


class Answers:
    """Reads from snapshotters in threads of their own, and gives up on one that does not answer.

    The thread stays until the call returns. Before that the snapshotter is asked for nothing else. Thread-safe.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        """Wait for each answer for some seconds."""
        self._seconds = seconds
        self._silent: dict[str, threading.Thread] = {}

    def is_silent(self, name: str) -> bool:
        """Return whether a snapshotter has not answered, and still does not."""
        thread = self._silent.get(name)
        return thread is not None and thread.is_alive()

    def read(self, name: str, produce: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Yield what an iterator of a snapshotter yields.

        Args:
            name: The id of the snapshotter.
            produce: Returns the iterator. Called, as the iterator is, in the other thread.

        Raises:
            Unavailable: The snapshotter does not answer.
            BaseException: Any exception of the snapshotter.
            Canceled, DeadlineExceeded: The current call ended.
        """
        if self.is_silent(name):
            raise Unavailable("it still does not answer an earlier call")
        wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
        answers: queue.SimpleQueue[_Part[T]] = queue.SimpleQueue()
        with cancellable() as context:
            thread = threading.Thread(
                target=_produce, args=(context, produce, wanted, answers), name=f"snapshotter {name}", daemon=True
            )
            forget = current().on_cancel(lambda: answers.put(_Part()))
            thread.start()
            try:
                while not (answer := self._next(name, thread, wanted, answers)).is_last:
                    yield from answer.items
            finally:
                forget()
                context.cancel()
                wanted.put(False)

    def call(self, name: str, function: Callable[[], T]) -> T:
        """Return what a function of a snapshotter returns; see `read`."""
        (returned,) = self.read(name, lambda: (function() for _ in (0,)))
        return returned

    def _next(
        self,
        name: str,
        thread: threading.Thread,
        wanted: queue.SimpleQueue[bool],
        answers: queue.SimpleQueue[_Part[T]],
    ) -> _Part[T]:
        wanted.put(True)
        remaining = current().remaining()
        try:
            answer = answers.get(timeout=min(self._seconds, self._seconds if remaining is None else remaining))
        except queue.Empty:
            current().check()
            self._silent[name] = thread
            raise Unavailable(f"no answer within {self._seconds:g} seconds") from None
        current().check()
        if answer.error is not None:
            raise answer.error
        return answer


def _produce(
    context: CallContext,
    produce: Callable[[], Iterator[T]],
    wanted: queue.SimpleQueue[bool],
    answers: queue.SimpleQueue[_Part[T]],
) -> None:
    """Answer each request with the next item, until none is left or wanted."""
    with use(context):
        try:
            items = iter(produce())
            while wanted.get():
                answers.put(_Part((next(items),)))
        except StopIteration:
            answers.put(_Part(is_last=True))
        except BaseException as error:  # noqa: BLE001 - raised by `_next`
            answers.put(_Part(error=error))
