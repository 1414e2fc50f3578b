"""A process that does nothing but host plugins: it starts them, says when it is ready, and stops on a signal."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from lamina.context import CallContext, use
from lamina.host._host import Host
from lamina.host._notify import sd_notify

_log = logging.getLogger(__name__)

_GIVE_UP_SECONDS: Final = 10.0
"""How long a start that was called off may take to end."""
_EXIT_SECONDS: Final = 2.0
"""How long the interpreter may take to end after everything is closed."""
_STOP: Final = (signal.SIGTERM, signal.SIGINT)

Events = queue.SimpleQueue[signal.Signals | None]
"""Signals, and None when the start has ended."""


def run(make_host: Callable[[], Host], announce: Callable[[Host], None]) -> None:
    """Start a host, tell the service manager, serve until SIGTERM or SIGINT, and stop.

    A signal works at any time, also while a plugin's init blocks; a second one ends the process at once.
    SIGUSR1 writes the stack of every thread to standard error. The standard streams must be open: else the
    host's files take their places, and what is printed is written into them.

    Args:
        make_host: Makes the host; called in the thread in which it is then started.
        announce: Called with the host when it is ready.

    Raises:
        Error: The host does not start.
    """
    began = time.perf_counter()
    events = Events()
    _listen(events)
    start = _Start(make_host, events)
    start.start()
    with start.undo:
        received = events.get()
        if received is not None:
            _stopping(received)
            start.call_off()
        elif start.error is not None:
            _limit_exit(1)
            raise start.error
        else:
            announce(start.host)
            sd_notify("READY=1", "STATUS=Serving")
            _log.info("%s successfully booted in %fs", start.host.program, time.perf_counter() - began)
            _stopping(events.get())
    _limit_exit(0)


class _Start(threading.Thread):
    """The start of a host in a thread of its own: so the main thread hears signals while an init blocks."""

    host: Host

    def __init__(self, make_host: Callable[[], Host], events: Events) -> None:
        super().__init__(name="start", daemon=True)
        self.error: BaseException | None = None
        self.undo = contextlib.ExitStack()
        """Stops the host, if it was started."""
        self._make_host = make_host
        self._events = events
        self._context = CallContext()

    def run(self) -> None:
        try:
            with use(self._context):
                self.host = self._make_host()
                self.undo.enter_context(self.host)
        except BaseException as error:  # noqa: BLE001 # raised by the thread that waits
            self.error = error
        self._events.put(None)

    def call_off(self) -> None:
        """Have the start end before its next step; if it does not, end the process."""
        self._context.cancel()
        self.join(_GIVE_UP_SECONDS)
        if self.is_alive():
            _log.error("the start was called off and goes on: exiting", extra={"seconds": _GIVE_UP_SECONDS})
            _exit(1)


def _listen(events: Events) -> None:
    """Hear signals in a thread that does nothing else, through the pipe that the interpreter writes them to.

    Python runs its handlers in the main thread, and not at all if that goes to wait just then.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in _STOP:
        signal.signal(number, _ignore)
    threading.Thread(target=_hear, args=(reading, events), name="signals", daemon=True).start()
    faulthandler.register(signal.SIGUSR1, file=2)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Only signals that have a handler are written to the pipe."""


def _hear(reading: int, events: Events) -> None:
    received: signal.Signals | None = None
    while True:
        number = os.read(reading, 1)[0]
        if number not in _STOP:
            continue
        if received is not None:
            os._exit(128 + number)  # without a log line: that may be what hangs
        received = signal.Signals(number)
        events.put(received)


def _stopping(received: signal.Signals | None) -> None:
    _log.info("received signal", extra={"signal": received.name if received else ""})
    sd_notify("STOPPING=1", "STATUS=Closing plugins")


def _limit_exit(status: int) -> None:
    """Python waits for the threads of every pool before it exits. A plugin's may never end."""

    def exit_anyway() -> None:
        names = ", ".join(thread.name for thread in threading.enumerate() if thread is not timer)
        _log.error("the process does not end by itself: exiting", extra={"threads": names})
        _exit(status)

    timer = threading.Timer(_EXIT_SECONDS, exit_anyway)
    timer.daemon = True
    timer.start()


def _exit(status: int) -> None:
    logging.shutdown()
    os._exit(status)
