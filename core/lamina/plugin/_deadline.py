"""Calls of code that may never return."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from lamina.errdefs import LeftBehind

T = TypeVar("T")


def call_within(
    seconds: float | None,
    step: str,
    uri: str,
    function: Callable[[], T],
    late: Callable[[T], object] = lambda _: None,
) -> T:
    """Call a function in a daemon thread, and wait for it no longer than its deadline.

    The thread has the context variables of the caller. Python cannot end a thread: what is not done in time
    goes on, and so does what an interrupt keeps the caller from waiting for.

    Args:
        seconds: How long it may take. None: as long as it takes, in the calling thread.
        step: What is done: "listen", "init", "start", "reconfigure" or "close".
        uri: The plugin whose step it is.
        function: What to call.
        late: Called, in that thread, with what the function returns when nobody waits for it any more.

    Returns:
        What the function returned.

    Raises:
        LeftBehind: It was not done in time.
        KeyboardInterrupt: The wait was interrupted; the cause is a `LeftBehind`, if the function goes on.
        BaseException: Whatever the function raised.
    """
    if seconds is None:
        return function()
    call = _Call(function, late)
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(call.run,), name=f"{step} {uri}", daemon=True)
    try:
        thread.start()
        thread.join(seconds)
    except KeyboardInterrupt as interrupt:
        if call.give_up():
            raise interrupt from LeftBehind(f"{step} was interrupted and left behind", thread)
        call.discard()
        raise
    if call.give_up():
        raise LeftBehind(f"{step} did not end within {seconds:g} s and was left behind", thread)
    return call.result()


class _Call(Generic[T]):
    """What became of a function, for the thread that calls it and the one that waits."""

    def __init__(self, function: Callable[[], T], late: Callable[[T], object]) -> None:
        self._function = function
        self._late = late
        self._mutex = threading.Lock()
        self._ended = False
        self._given_up = False
        self._returned: list[T] = []
        self._raised: BaseException | None = None

    def run(self) -> None:
        try:
            self._returned.append(self._function())
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            self._raised = error
        with self._mutex:
            self._ended = True
            given_up = self._given_up
        if given_up:
            self.discard()

    def give_up(self) -> bool:
        """Wait no more: whether the function goes on."""
        with self._mutex:
            self._given_up = not self._ended
            return self._given_up

    def discard(self) -> None:
        """Nobody wants what was returned."""
        if self._returned:
            self._late(self._returned.pop())

    def result(self) -> T:
        if self._raised is not None:
            raise self._raised
        return self._returned.pop()
