"""Deferring Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def uninterrupted(on_interrupt: Callable[[], None] | None = None) -> Iterator[None]:
    """Defer Ctrl-C until the end of the block.

    Python raises KeyboardInterrupt between any two instructions of the main thread. Other threads may be waiting
    for it in the block, or code in C may not be able to handle an exception.

    Args:
        on_interrupt: Called at once when Ctrl-C is typed; None: nothing is.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    held: list[tuple[int, FrameType | None]] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append((number, frame))
        if on_interrupt is not None:
            on_interrupt()

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if held:
            handler(*held[0])
