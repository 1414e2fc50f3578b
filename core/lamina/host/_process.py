"""`run`: a daemon that starts a host, reports readiness to the service manager and handles signals."""

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

from lamina import lazy
from lamina.context import CallContext, use
from lamina.errdefs import Error, message
from lamina.host._host import Host
from lamina.host._notify import sd_notify, watchdog_seconds
from lamina.host._reload import Reloaded

_log = logging.getLogger(__name__)

_GIVE_UP_SECONDS: Final = 10.0
"""Seconds that a cancelled start may take to end."""
_EXIT_SECONDS: Final = 2.0
"""Seconds that the interpreter may take to exit after everything is closed."""
_STACKS_SECONDS: Final = 1.0
"""Seconds that other signals wait for the stacks of all threads to be written."""
_FIRST_CALLS_SECONDS: Final = 0.25
"""Seconds that the calls which waited for the start are left alone."""
_PAUSE_SECONDS: Final = 0.005
"""Seconds between two modules whose code is read, which takes a fifth of a millisecond."""
_STOP: Final = (signal.SIGTERM, signal.SIGINT)

Events = queue.SimpleQueue[signal.Signals | None]
"""Signals; None when the start or a reload has ended."""


def run(
    make_host: Callable[[], Host],
    announce: Callable[[Host], None],
    reload: Callable[[Host], Reloaded] | None = None,
) -> None:
    """Start a host, notify the service manager, serve until SIGTERM or SIGINT, and stop.

    SIGTERM and SIGINT work at any time, even while a plugin's init or a reload blocks; a second one ends the
    process immediately. SIGHUP reloads the configuration, after the start or the reload in progress. SIGUSR1
    writes the stack of every thread to standard error. So do crashes and SIGABRT, which works even if the
    interpreter hangs and handles no other signal. The standard streams must be open; otherwise files that the host
    opens get their descriptors, and output is written to those files.

    Garbage collection starts when the host is ready, and ignores objects created before. A thread then reads the
    code that calls may import later, so that the code of a host does not change with the files (`keep_code`).

    The main thread notifies the watchdog of the service manager. So the watchdog detects an interpreter that
    hangs, but not a slow disk, which a restart would not help.

    Args:
        make_host: Creates the host; called in the thread that starts it.
        announce: Called with the host when it is ready.
        reload: Reads the configuration again and calls `Host.reload`. Called in a thread of its own, never
            concurrently; the result is logged. None: the handling of SIGHUP is not changed.

    Raises:
        Error: The host does not start.
    """
    began = time.perf_counter()
    events = Events()
    _handle_signals(events, {*_STOP, signal.SIGUSR1, *([] if reload is None else [signal.SIGHUP])})
    start = _Start(make_host, events)
    gc.disable()  # the objects that imports create stay alive
    start.start()
    with start.undo:
        reload_requested = False
        while (received := events.get()) is signal.SIGHUP:
            reload_requested = True
        if received is not None:
            _report_stop(received)
            start.abort()
        elif start.error is not None:
            _limit_exit(1)
            raise start.error
        else:
            gc.freeze()
            gc.enable()
            announce(start.host)
            sd_notify("READY=1", "STATUS=Serving")
            _log.info("%s successfully booted in %fs", start.host.program, time.perf_counter() - began)
            threading.Thread(target=_keep_code, args=(start.host,), name="code", daemon=True).start()
            reload_host = None if reload is None else functools.partial(_reload, start.host, reload)
            _report_stop(_serve(reload_host, events, reload_requested=reload_requested))
    _log.info("stopped")
    _limit_exit(0)


def _serve(reload: Callable[[], None] | None, events: Events, *, reload_requested: bool) -> signal.Signals:
    """Reload on SIGHUP and notify the watchdog until a signal to stop arrives; return that signal."""
    watchdog = watchdog_seconds()
    interval = None if watchdog is None else watchdog / 2  # as sd_watchdog_enabled(3) recommends
    reloading: _Task | None = None
    while True:
        if reload_requested and reloading is None and reload is not None:
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            sd_notify("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=Reloading the configuration")
            reload_requested, reloading = False, _Task("reload", reload, events)
            reloading.start()
        if interval is not None:
            sd_notify("WATCHDOG=1")
        try:
            received = events.get(timeout=interval)
        except queue.Empty:
            continue
        if received is signal.SIGHUP:
            reload_requested = True
        elif received is None:
            reloading = None
            sd_notify("READY=1", "STATUS=Serving")
        else:
            if reloading is not None:
                reloading.cancel()
            return received


def _reload(host: Host, reload: Callable[[Host], Reloaded]) -> None:
    """Reload and log the result. The host keeps running if the reload fails."""
    try:
        reloaded = reload(host)
    except Error as error:
        for line in str(error).splitlines():
            _log.error("configuration was not reloaded", extra={"error": line})
        return
    except BaseException as error:  # noqa: BLE001 # the migration of a plugin may raise anything
        _log.error("configuration was not reloaded", exc_info=error)
        return
    _log.info("reloaded configuration", extra={"changed": ", ".join(reloaded.changed)})
    for key in reloaded.needs_restart:
        _log.warning("setting requires a restart of %s to take effect", host.program, extra={"key": key})
    for uri, problem in reloaded.failed.items():
        unexpected = None if isinstance(problem, Error) else problem
        fields = {"plugin": uri, "error": message(problem)}
        _log.error("plugin keeps its old configuration", extra=fields, exc_info=unexpected)


def _keep_code(host: Host) -> None:
    """Have imports of a running host find the code of its start, whatever is installed by then."""
    time.sleep(_FIRST_CALLS_SECONDS)
    count = lazy.keep_code({"lamina", *host.packages}, functools.partial(time.sleep, _PAUSE_SECONDS))
    if lazy.code_was_replaced():
        _log.warning("lamina was replaced on disk while %s was starting: restart it", host.program)
    else:
        _log.debug("keeping the code of the start", extra={"modules": count})


class _Task(threading.Thread):
    """A start or a reload in a thread of its own, so that the main thread handles signals while it blocks."""

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
        except BaseException as error:  # noqa: BLE001 # raised by the main thread
            self.error = error
        self._events.put(None)

    def cancel(self) -> None:
        """Cancel the task: it ends before the next plugin."""
        self._context.cancel()


class _Start(_Task):
    """The start of a host."""

    host: Host

    def __init__(self, make_host: Callable[[], Host], events: Events) -> None:
        super().__init__("start", self._begin, events)
        self.undo = contextlib.ExitStack()
        """Stops the host if it was started."""
        self._make_host = make_host

    def _begin(self) -> None:
        self.host = self._make_host()
        self.undo.enter_context(self.host)

    def abort(self) -> None:
        """Cancel the start, and end the process if the start does not end."""
        self.cancel()
        self.join(_GIVE_UP_SECONDS)
        if self.is_alive():
            _log.error("the cancelled start does not end: exiting", extra={"seconds": _GIVE_UP_SECONDS})
            _exit(1)


def _handle_signals(events: Events, numbers: Collection[signal.Signals]) -> None:
    """Start a thread that receives signals through a pipe (`signal.set_wakeup_fd`).

    Python runs signal handlers in the main thread, and delays them if that thread starts to wait at that moment.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in numbers:
        signal.signal(number, _ignore)
    threading.Thread(target=_receive_signals, args=(reading, events, numbers), name="signals", daemon=True).start()
    faulthandler.enable(file=2)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the interpreter writes only signals that have a handler to the pipe."""


def _receive_signals(reading: int, events: Events, numbers: Collection[signal.Signals]) -> None:
    """Read signals; if that fails, stop the host, which no signal would reach."""
    try:
        _read_signals(reading, events, numbers)
    except BaseException as error:  # noqa: BLE001 # whatever ends the thread
        _log.error("can no longer receive signals: stopping", exc_info=error)
        events.put(signal.SIGTERM)


def _read_signals(reading: int, events: Events, numbers: Collection[signal.Signals]) -> None:
    stopping = False
    while True:
        number = os.read(reading, 1)[0]
        if number not in numbers:
            continue
        if number == signal.SIGUSR1:
            # `faulthandler.register` reads the frames of running threads, which can crash.
            _write_stacks()
            continue
        if number in _STOP:
            if stopping:
                os._exit(128 + number)  # without a log line, since logging may hang
            stopping = True
        events.put(signal.Signals(number))


def _write_stacks() -> None:
    """Write the stack of every thread to standard error, with a deadline in case nobody reads it."""
    thread = threading.Thread(target=faulthandler.dump_traceback, args=(2,), name="stacks", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the limit of threads is reached
        _log.error("cannot write the stacks of all threads", exc_info=error)
    else:
        thread.join(_STACKS_SECONDS)


def _report_stop(received: signal.Signals) -> None:
    _log.info("received signal", extra={"signal": received.name})
    sd_notify("STOPPING=1", "STATUS=Closing plugins")


def _limit_exit(status: int) -> None:
    """End the process if it does not exit in time: Python joins the threads of pools, and a plugin's may hang."""

    def exit_anyway() -> None:
        names = ", ".join(thread.name for thread in threading.enumerate() if thread is not timer)
        _log.error("the process does not exit by itself: exiting", extra={"threads": names})
        _exit(status)

    timer = threading.Timer(_EXIT_SECONDS, exit_anyway)
    timer.daemon = True
    timer.start()


def _exit(status: int) -> None:
    logging.shutdown()
    os._exit(status)
