"""A process that does nothing but host plugins: it starts them, says when it is ready, and obeys signals."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Collection
from types import FrameType
from typing import Final

from lamina.context import CallContext, use
from lamina.errdefs import Error, message
from lamina.host._host import Host
from lamina.host._notify import sd_notify, watchdog_seconds
from lamina.host._reload import Reloaded

_log = logging.getLogger(__name__)

_GIVE_UP_SECONDS: Final = 10.0
"""How long a start that was called off may take to end."""
_EXIT_SECONDS: Final = 2.0
"""How long the interpreter may take to end after everything is closed."""
_STACKS_SECONDS: Final = 1.0
"""How long signals wait until the stacks of all threads are written."""
_STOP: Final = (signal.SIGTERM, signal.SIGINT)

Events = queue.SimpleQueue[signal.Signals | None]
"""Signals, and None when the start or a reload has ended."""


def run(
    make_host: Callable[[], Host],
    announce: Callable[[Host], None],
    reload: Callable[[Host], Reloaded] | None = None,
) -> None:
    """Start a host, tell the service manager, serve until SIGTERM or SIGINT, and stop.

    A signal to stop works at any time, also while a plugin's init or a reload blocks; a second one ends the
    process at once. SIGHUP reloads: one that comes during the start, or during a reload, is obeyed when that has
    ended. SIGUSR1 writes the stack of every thread to standard error; so does a crash, and SIGABRT, which works
    also where an interpreter that hangs hears no other signal. The standard streams must be open: else the
    host's files take their places, and what is printed is written into them.

    Garbage is collected from when the host is ready, and only of what is made from then on.

    The main thread tells the service manager's watchdog that the process lives. So it learns of an interpreter
    that hangs, whatever holds its lock; nothing of a slow disk, which a restart would not mend.

    Args:
        make_host: Makes the host; called in the thread in which it is then started.
        announce: Called with the host when it is ready.
        reload: Reads the configuration anew and gives it to the host (`Host.reload`); called in a thread of its
            own, never twice at a time. What becomes of it is logged. None: SIGHUP does what it did before.

    Raises:
        Error: The host does not start.
    """
    began = time.perf_counter()
    events = Events()
    _listen(events, {*_STOP, signal.SIGUSR1, *([] if reload is None else [signal.SIGHUP])})
    start = _Start(make_host, events)
    gc.disable()  # plugins import modules, and what those make is no garbage
    start.start()
    with start.undo:
        hung_up = False
        while (received := events.get()) is signal.SIGHUP:
            hung_up = True
        if received is not None:
            _stopping(received)
            start.call_off()
        elif start.error is not None:
            _limit_exit(1)
            raise start.error
        else:
            gc.freeze()
            gc.enable()
            announce(start.host)
            sd_notify("READY=1", "STATUS=Serving")
            _log.info("%s successfully booted in %fs", start.host.program, time.perf_counter() - began)
            again = None if reload is None else functools.partial(_reload, start.host, reload)
            _stopping(_serve(again, events, hung_up=hung_up))
    _log.info("stopped")
    _limit_exit(0)


def _serve(reload: Callable[[], None] | None, events: Events, *, hung_up: bool) -> signal.Signals:
    """Reload on SIGHUP, and keep the watchdog quiet, until there is a signal to stop, which is returned."""
    watchdog = watchdog_seconds()
    notice = None if watchdog is None else watchdog / 2  # as sd_watchdog_enabled(3) recommends
    under_way: _Step | None = None
    while True:
        if hung_up and under_way is None and reload is not None:
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            sd_notify("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=Reloading the configuration")
            hung_up, under_way = False, _Step("reload", reload, events)
            under_way.start()
        if notice is not None:
            sd_notify("WATCHDOG=1")
        try:
            received = events.get(timeout=notice)
        except queue.Empty:
            continue
        if received is signal.SIGHUP:
            hung_up = True
        elif received is None:
            under_way = None
            sd_notify("READY=1", "STATUS=Serving")
        else:
            if under_way is not None:
                under_way.cancel()
            return received


def _reload(host: Host, reload: Callable[[Host], Reloaded]) -> None:
    """Reload, and log what became of it. Whatever that is, the host goes on."""
    try:
        reloaded = reload(host)
    except Error as error:
        for line in message(error).splitlines():
            _log.error("configuration was not reloaded", extra={"error": line})
        return
    except BaseException as error:  # noqa: BLE001 # a plugin's migration may raise what it likes
        _log.error("configuration was not reloaded", exc_info=error)
        return
    _log.info("reloaded configuration", extra={"changed": ", ".join(reloaded.changed)})
    for key in reloaded.needs_restart:
        _log.warning("not changed while %s runs: restart it to have it so", host.program, extra={"key": key})
    for uri, problem in reloaded.failed.items():
        unexpected = None if isinstance(problem, Error) else problem
        fields = {"plugin": uri, "error": message(problem)}
        _log.error("plugin goes on with its old configuration", extra=fields, exc_info=unexpected)


class _Step(threading.Thread):
    """A step of the process's life in a thread of its own: so the main thread hears signals while it blocks."""

    def __init__(self, name: str, function: Callable[[], object], events: Events) -> None:
        super().__init__(name=name, daemon=True)
        self.error: BaseException | None = None
        self._function = function
        self._events = events
        self._context = CallContext()

    def run(self) -> None:
        try:
            with use(self._context):
                self._function()
        except BaseException as error:  # noqa: BLE001 # raised by the thread that waits
            self.error = error
        self._events.put(None)

    def cancel(self) -> None:
        """Have it end before the next plugin's turn."""
        self._context.cancel()


class _Start(_Step):
    """The start of a host."""

    host: Host

    def __init__(self, make_host: Callable[[], Host], events: Events) -> None:
        super().__init__("start", self._begin, events)
        self.undo = contextlib.ExitStack()
        """Stops the host, if it was started."""
        self._make_host = make_host

    def _begin(self) -> None:
        self.host = self._make_host()
        self.undo.enter_context(self.host)

    def call_off(self) -> None:
        """Have the start end before its next step; if it does not, end the process."""
        self.cancel()
        self.join(_GIVE_UP_SECONDS)
        if self.is_alive():
            _log.error("the start was called off and goes on: exiting", extra={"seconds": _GIVE_UP_SECONDS})
            _exit(1)


def _listen(events: Events, numbers: Collection[signal.Signals]) -> None:
    """Hear signals in a thread that does nothing else, through the pipe that the interpreter writes them to.

    Python runs its handlers in the main thread, and not at all if that goes to wait just then.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in numbers:
        signal.signal(number, _ignore)
    threading.Thread(target=_hear, args=(reading, events, numbers), name="signals", daemon=True).start()
    faulthandler.enable(file=2)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Only signals that have a handler are written to the pipe."""


def _hear(reading: int, events: Events, numbers: Collection[signal.Signals]) -> None:
    stopping = False
    while True:
        number = os.read(reading, 1)[0]
        if number not in numbers:
            continue
        if number == signal.SIGUSR1:
            # `faulthandler.register` would read the frames of threads that run, and crash now and then.
            _write_stacks()
            continue
        if number in _STOP:
            if stopping:
                os._exit(128 + number)  # without a log line: that may be what hangs
            stopping = True
        events.put(signal.Signals(number))


def _write_stacks() -> None:
    """Write the stack of every thread to standard error, but do not wait for long if nobody reads it."""
    thread = threading.Thread(target=faulthandler.dump_traceback, args=(2,), name="stacks", daemon=True)
    thread.start()
    thread.join(_STACKS_SECONDS)


def _stopping(received: signal.Signals) -> None:
    _log.info("received signal", extra={"signal": received.name})
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
