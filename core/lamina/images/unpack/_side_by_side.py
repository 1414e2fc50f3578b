"""Work on several items at a time, and finish them in order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lamina.context import CallContext, current, use

T = TypeVar("T")
R = TypeVar("R")


def map_side_by_side(
    begin: Callable[[T], R],
    finish: Callable[[R], object],
    undo: Callable[[R], object],
    items: Sequence[T],
    threads: int,
) -> None:
    """Begin with items in several threads, and finish them one after the other in their order.

    If one fails, those before it are finished all the same, and those after it are undone.

    Args:
        begin: Called in another thread, in a context that is cancelled when another item has failed.
        finish: Called in this thread with what `begin` returned.
        undo: Called in place of `finish`.
        items: The items.
        threads: How many are begun at a time.

    Raises:
        Exception: The first error of `begin` or `finish`, in the order of the items.
    """
    with _cancellable() as context, ThreadPoolExecutor(threads, thread_name_prefix="unpack") as pool:

        def run(item: T) -> R:
            with use(context):
                context.check()
                return begin(item)

        pending = [pool.submit(run, item) for item in items]
        try:
            while pending:
                finish(pending.pop(0).result())
        finally:
            context.cancel()
            for future in pending:
                _undo(future, undo)


@contextlib.contextmanager
def _cancellable() -> Iterator[CallContext]:
    """Yield a context that ends with the current one, or earlier."""
    call = current()
    context = call.detached()
    context.deadline = call.deadline
    forget = call.on_cancel(context.cancel)
    try:
        yield context
    finally:
        forget()


def _undo(future: Future[R], undo: Callable[[R], object]) -> None:
    if not future.cancel() and future.exception() is None:
        undo(future.result())
