"""Work on several blobs at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Final, TypeVar

from lamina.context import cancellable, use

T = TypeVar("T")

_THREADS: Final = 3
"""Blobs that are transferred at a time, as by Docker and containerd."""


def for_each(items: Iterable[T], do: Callable[[T], object]) -> None:
    """Call a function with each item, in their order and several at a time. The first failure stops all.

    Raises:
        Exception: The first error.
    """
    left, guard = iter(items), threading.Lock()

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="blob") as pool, cancellable() as context:

        def run() -> None:
            with use(context):
                while True:
                    context.check()
                    with guard:
                        item = next(left, _END)
                    if item is _END:
                        return
                    do(item)  # type: ignore[arg-type] # it is a T

        calls = [pool.submit(run) for _ in range(_THREADS)]
        ended, _ = wait(calls, return_when=FIRST_EXCEPTION)
        errors = [error for call in ended if (error := call.exception())]
        context.cancel()
    if errors:
        raise errors[0]


_END: Final = object()
