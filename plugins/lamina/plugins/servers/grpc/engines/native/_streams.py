"""`Streams`: many responses to one request, sent as the client takes them, by threads that wait for no client."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator
from typing import Final, TypeAlias

import attrs

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, Error, ResourceExhausted

_log = logging.getLogger(__name__)

PATIENCE: Final = 0.01
"""Seconds for which a worker waits for a client before it turns to other calls."""
_POLL: Final = 0.001
"""Seconds between two attempts of a worker to send."""
_CHECK: Final = 0.02
"""Seconds between two checks of parked streams."""
PARKED_BYTES: Final = 32 << 20
"""Bytes of messages that may wait for clients that have stopped reading. Beyond that, the oldest of these streams
are ended."""
PARKED: Final = 512
"""As `PARKED_BYTES`, for the number of streams: each holds a batch of records."""

Messages: TypeAlias = Generator[bytes, None, None]
"""Messages to send. The generator answers its call at its end, or when an error is thrown into it."""

SENT, FULL, CLOSED = range(3)
Send: TypeAlias = Callable[[int, bytes], int]
"""Sends a message to a call if there is room. Returns SENT, FULL or CLOSED."""
Resume: TypeAlias = Callable[[Callable[[], None]], object]
"""Runs the rest of a stream in a worker. It is never refused."""


@attrs.define(eq=False, repr=False)
class _Stream:
    call: int
    messages: Messages
    context: CallContext
    resume: Resume
    parked: bytes = b""
    """The message that waits for room."""
    since: float = 0.0
    """The time at which it began to wait."""


class Streams:
    """Sends streams. A stream whose client does not read is parked: it holds a message, but no thread."""

    def __init__(self, send: Send, stalled: float) -> None:
        """Create a sender.

        Args:
            send: Sends a message.
            stalled: Seconds after which a stream is ended whose client reads nothing.
        """
        self._send = send
        self._stalled = stalled
        self._parked: dict[_Stream, None] = {}
        """Oldest first."""
        self._bytes = 0
        self._lock = threading.Lock()
        """Guards both."""
        self._any = threading.Event()
        """Set when a stream is parked, or by `stop`."""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the thread that watches parked streams."""
        threading.Thread(target=self._check, name="parked streams", daemon=True).start()

    def stop(self) -> None:
        """Stop that thread. Calls should have ended before."""
        self._stopped.set()
        self._any.set()

    def answer(self, call: int, messages: Messages, context: CallContext, resume: Resume) -> None:
        """Send messages while the client reads them. The rest is sent later.

        Args:
            call: Id of the call.
            messages: Messages to send.
            context: Context of the call.
            resume: Sends the rest.
        """
        self._answer(_Stream(call, messages, context, resume))

    def parked(self) -> int:
        """Return the number of parked streams."""
        return len(self._parked)

    def _answer(self, stream: _Stream) -> None:
        with use(stream.context):
            for data in stream.messages:
                sent = self._send_patiently(stream, data)
                if sent == FULL:
                    self._park(stream, data)
                    return
                if sent == CLOSED:
                    self._end(stream, Canceled("the client does not read the rest of the stream"))
                    return

    def _send_patiently(self, stream: _Stream, data: bytes) -> int:
        latest = time.monotonic() + PATIENCE
        while (sent := self._send(stream.call, data)) == FULL and time.monotonic() < latest:
            time.sleep(_POLL)
        return sent

    def _park(self, stream: _Stream, data: bytes) -> None:
        stream.parked, stream.since = data, time.monotonic()
        with self._lock:
            self._parked[stream] = None
            self._bytes += len(data)
        self._any.set()
        while self._bytes > PARKED_BYTES or len(self._parked) > PARKED:
            self._end_first()

    def _end_first(self) -> None:
        """End the oldest of the parked streams."""
        with contextlib.suppress(StopIteration):  # another thread was quicker
            first = next(iter(self._parked.copy()))
            self._resume(first, ResourceExhausted("the client has stopped reading, and so have too many others"))

    def _check(self) -> None:
        while not self._stopped.is_set():
            self._any.wait()
            self._any.clear()  # before looking: what comes later sets it again
            for stream in list(self._parked):
                try:
                    self._look_after(stream)
                except Exception as error:  # noqa: BLE001 - there are others to watch
                    _log.error("watching a stream failed", exc_info=error)
            if self._parked:
                self._any.set()
                self._stopped.wait(_CHECK)

    def _look_after(self, stream: _Stream) -> None:
        try:
            stream.context.check()
        except Error as error:
            self._resume(stream, error)
            return
        sent = self._send(stream.call, stream.parked)
        if sent == SENT:
            self._resume(stream)
        elif sent == CLOSED:
            self._resume(stream, Canceled("the client does not read the rest of the stream"))
        elif time.monotonic() > stream.since + self._stalled:
            self._resume(stream, Canceled("the client has stopped reading"))

    def _resume(self, stream: _Stream, error: Error | None = None) -> None:
        """Continue a parked stream, or end it with an error, in a worker: it runs code of plugins."""
        with self._lock:
            if stream not in self._parked:
                return
            del self._parked[stream]
            self._bytes -= len(stream.parked)
            stream.parked = b""
        stream.resume(lambda: self._answer(stream) if error is None else self._end(stream, error))

    def _end(self, stream: _Stream, error: Error) -> None:
        with use(stream.context), contextlib.suppress(StopIteration):
            stream.messages.throw(error)
