"""Work on several items at a time, and finish them in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

import attrs

from lamina.context import CallContext, cancellable, use

T = TypeVar("T")
R = TypeVar("R")


@attrs.frozen(eq=False)
class SideBySide(Generic[T, R]):
    """Items that are each begun in another thread, and finished in the thread of `run`, in order."""

    begin: Callable[[T], R]
    """Called in another thread, in a context that is cancelled when another item has failed."""
    finish: Callable[[R], object]
    """Called with the result of `begin`."""
    undo: Callable[[R], object]
    """Called in place of `finish`."""
    threads: int
    """The number of items that are begun at a time."""

    def run(self, items: Sequence[T], ready: Sequence[Future[None]]) -> None:
        """Begin each item when it is ready, in any order.

        If one fails, those before it are still finished if they are ready, and all others are undone.

        Args:
            items: The items.
            ready: The future of each item: it ends when the item can be begun, and fails if it never can.

        Raises:
            Exception: Of the errors of `begin`, `finish` and `ready`, the first in the order of the items.
        """
        begun: dict[int, Future[R]] = {}
        with cancellable() as context, ThreadPoolExecutor(self.threads, thread_name_prefix="unpack") as pool:
            waiting = dict(enumerate(ready))
            next_ = 0
            try:
                while next_ < len(items):
                    _wait_for_any(waiting, begun)
                    for number in [number for number, future in waiting.items() if future.done()]:
                        waiting.pop(number)
                        begun[number] = pool.submit(self._begin, context, items[number], ready[number])
                    while next_ in begun and begun[next_].done():
                        self.finish(begun.pop(next_).result())
                        next_ += 1
                    if next_ in waiting:
                        _raise_failure(begun)
            finally:
                context.cancel()
                for future in begun.values():
                    self._undo(future)

    def _begin(self, context: CallContext, item: T, ready: Future[None]) -> R:
        ready.result()
        with use(context):
            context.check()
            return self.begin(item)

    def _undo(self, future: Future[R]) -> None:
        if not future.cancel() and future.exception() is None:
            self.undo(future.result())


def _wait_for_any(waiting: dict[int, Future[None]], begun: dict[int, Future[Any]]) -> None:
    """Wait until something happens: an item is ready, or one that was begun has ended."""
    unfinished = [future for future in begun.values() if not future.done()]
    wait([*waiting.values(), *unfinished], return_when=FIRST_COMPLETED)


def _raise_failure(begun: dict[int, Future[Any]]) -> None:
    for _, future in sorted(begun.items()):
        if future.done():
            future.result()
