"""Calls with a deadline, for code that may never return."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from lamina.errdefs import LeftBehind, PluginFailed

T = TypeVar("T")


def call_within(
    seconds: float | None,
    name: str,
    uri: str,
    function: Callable[[], T],
    late: Callable[[T], object] = lambda _: None,
) -> T:
    """Call a function in a daemon thread and wait until its deadline.

    The thread has the context variables of the caller. Python cannot stop a thread: after the deadline, or an
    interrupt of the caller, the function continues.

    Args:
        seconds: The deadline, in seconds. None: call the function in this thread, without a deadline.
        name: The name of the call in messages: "listen", "init", "start", "reconfigure" or "close".
        uri: The URI of the plugin.
        function: The function.
        late: Called in the same thread with the result of a function that returns after the deadline.

    Returns:
        The result of the function.

    Raises:
        LeftBehind: The function missed the deadline.
        KeyboardInterrupt: The wait was interrupted; the cause is a `LeftBehind` if the function still runs.
        PluginFailed: The function raised KeyboardInterrupt, which is Ctrl-C in the main thread only.
        BaseException: Any other exception of the function.
    """
    if seconds is None:
        return function()
    call = _DeadlineCall(function, late)
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(call.run,), name=f"{name} {uri}", daemon=True)
    try:
        thread.start()
        thread.join(seconds)
    except KeyboardInterrupt as interrupt:
        if call.give_up():
            raise interrupt from LeftBehind(f"{name} was interrupted and left behind", thread)
        call.discard()
        raise
    if call.give_up():
        raise LeftBehind(f"{name} did not end within {seconds:g} s and was left behind", thread)
    return call.result()


class _DeadlineCall(Generic[T]):
    """The result of a function, shared by the thread that runs it and the thread that waits."""

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
        except KeyboardInterrupt as error:
            self._raised = PluginFailed("it raised KeyboardInterrupt")
            self._raised.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - raised again by the waiting thread
            self._raised = error
        with self._mutex:
            self._ended = True
            given_up = self._given_up
        if given_up:
            self.discard()

    def give_up(self) -> bool:
        """Stop waiting; return whether the function still runs."""
        with self._mutex:
            self._given_up = not self._ended
            return self._given_up

    def discard(self) -> None:
        """Pass the result, if there is one, to `late`."""
        if self._returned:
            self._late(self._returned.pop())

    def result(self) -> T:
        if self._raised is not None:
            raise self._raised
        return self._returned.pop()
