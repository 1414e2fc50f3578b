"""Calls with a deadline, for code that may never return."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, Self, TypeVar

from lamina.errdefs import LeftBehind, PluginFailed

T = TypeVar("T")


class Worker:
    """A thread that makes calls with deadlines, one after the other.

    A call that misses its deadline keeps the thread to itself, and the next call gets another one. As a context
    manager, ends the thread at the end of the block; a later call starts it again.
    """

    def __init__(self) -> None:
        """Create a worker. Its thread starts with the first call."""
        self._thread: _Thread | None = None

    def call_within(
        self,
        seconds: float | None,
        name: str,
        uri: str,
        function: Callable[[], T],
        late: Callable[[T], object] = lambda _: None,
    ) -> T:
        """Call a function in the thread and wait until its deadline. Arguments and exceptions: `call_within`."""
        if seconds is None:
            return function()
        thread = self._thread or _Thread()
        call = _DeadlineCall(f"{name} {uri}", function, late)
        try:
            self._thread = None  # until it is certain that the call has ended
            thread.calls.put(call)
            if thread.ident is None:
                thread.start()
            call.wait(seconds)
        except KeyboardInterrupt as interrupt:
            if call.give_up():
                thread.calls.put(None)  # it waits for another call if the interrupt came before this one
                raise interrupt from LeftBehind(f"{name} was interrupted and left behind", thread)
            self._thread = thread
            call.discard()
            raise
        if call.give_up():
            raise LeftBehind(f"{name} did not end within {seconds:g} s and was left behind", thread)
        self._thread = thread
        return call.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.calls.put(None)
            thread.join()


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
    with Worker() as worker:
        return worker.call_within(seconds, name, uri, function, late)


class _Thread(threading.Thread):
    """Makes calls until there are no more, or one of them is given up."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.calls = SimpleQueue[_DeadlineCall[Any] | None]()
        """The calls to make; None ends the thread."""

    def run(self) -> None:
        while call := self.calls.get():
            self.name = call.name
            if not call.context.run(call.run):
                break


class _DeadlineCall(Generic[T]):
    """The result of a function, shared by the thread that runs it and the thread that waits."""

    def __init__(self, name: str, function: Callable[[], T], late: Callable[[T], object]) -> None:
        self.name = name
        self._function = function
        self._late = late
        self.context = contextvars.copy_context()
        self._mutex = threading.Lock()
        self._running = threading.Lock()
        self._running.acquire()
        self._ended = False
        self._given_up = False
        self._returned: list[T] = []
        self._raised: BaseException | None = None

    def run(self) -> bool:
        """Run the function, unless the call has been given up; return False if it has, before or meanwhile."""
        with self._mutex:
            if self._given_up:
                return False
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
        self._running.release()
        if given_up:
            self.discard()
        return not given_up

    def wait(self, seconds: float) -> None:
        """Wait until the function has ended, or this time has passed."""
        self._running.acquire(timeout=seconds)

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
