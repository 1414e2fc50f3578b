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
_PAUSE: Final = 0.001
"""Seconds after which a worker looks again."""
_LOOK: Final = 0.02
"""Seconds after which it is looked again whether clients read that have stopped."""
PARKED_BYTES: Final = 32 << 20
"""Bytes of messages that may wait for clients that have stopped reading. Beyond, those that did so first lose
their streams."""
PARKED: Final = 512
"""As `PARKED_BYTES`, the number of streams: each holds a batch of what it goes through."""

Messages: TypeAlias = Generator[bytes, None, None]
"""What to send. It answers its call itself when it is at its end, or has an error thrown into it."""

SENT, FULL, CLOSED = range(3)
Send: TypeAlias = Callable[[int, bytes], int]
"""Sends a message to a call, if there is room: SENT, FULL or CLOSED."""
GoOn: TypeAlias = Callable[[Callable[[], None]], object]
"""Has a stream go on in a worker, and is never refused."""


@attrs.define(eq=False)
class _Stream:
    call: int
    messages: Messages
    context: CallContext
    go_on: GoOn
    parked: bytes = b""
    """The message for which there was no room."""
    since: float = 0.0
    """When there was none first."""


class Streams:
    """Sends streams. One whose client does not read is parked: it holds a message, but no thread."""

    def __init__(self, send: Send, stalled: float) -> None:
        """Nothing is looked after before `start`.

        Args:
            send: Sends a message.
            stalled: Seconds after which a stream ends whose client takes nothing from it.
        """
        self._send = send
        self._stalled = stalled
        self._parked: dict[_Stream, None] = {}
        """In the order in which their clients stopped."""
        self._bytes = 0
        self._lock = threading.Lock()
        """Guards both."""
        self._any = threading.Event()
        """Something is parked, or `stop` was called."""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to look after streams that are parked."""
        threading.Thread(target=self._look, name="parked streams", daemon=True).start()

    def stop(self) -> None:
        """Look after none any more. Calls should have ended before."""
        self._stopped.set()
        self._any.set()

    def answer(self, call: int, messages: Messages, context: CallContext, go_on: GoOn) -> None:
        """Send messages as long as their client takes them; the rest is sent later.

        Args:
            call: To whom.
            messages: What to send.
            context: The call's.
            go_on: Has the rest sent.
        """
        self._answer(_Stream(call, messages, context, go_on))

    def parked(self) -> int:
        """How many streams wait for clients that do not read."""
        return len(self._parked)

    def _answer(self, stream: _Stream) -> None:
        with use(stream.context):
            for data in stream.messages:
                sent = self._send_patiently(stream, data)
                if sent == FULL:
                    self._park(stream, data)
                    return
                if sent == CLOSED:
                    self._end(stream, Canceled("nobody takes the rest of the stream"))
                    return

    def _send_patiently(self, stream: _Stream, data: bytes) -> int:
        latest = time.monotonic() + PATIENCE
        while (sent := self._send(stream.call, data)) == FULL and time.monotonic() < latest:
            time.sleep(_PAUSE)
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
        """End the stream whose client stopped reading first, for there are too many of the kind."""
        with contextlib.suppress(StopIteration):  # another thread was quicker
            first = next(iter(self._parked.copy()))
            self._go_on(first, ResourceExhausted("the client has stopped reading, and so have too many others"))

    def _look(self) -> None:
        while not self._stopped.is_set():
            self._any.wait()
            self._any.clear()  # before looking: what comes later sets it again
            for stream in list(self._parked):
                try:
                    self._look_after(stream)
                except Exception as error:  # noqa: BLE001 - there are others to look after
                    _log.error("looking after a stream failed", exc_info=error)
            if self._parked:
                self._any.set()
                self._stopped.wait(_LOOK)

    def _look_after(self, stream: _Stream) -> None:
        try:
            stream.context.check()
        except Error as error:
            self._go_on(stream, error)
            return
        sent = self._send(stream.call, stream.parked)
        if sent == SENT:
            self._go_on(stream)
        elif sent == CLOSED:
            self._go_on(stream, Canceled("nobody takes the rest of the stream"))
        elif time.monotonic() > stream.since + self._stalled:
            self._go_on(stream, Canceled("the client has stopped reading"))

    def _go_on(self, stream: _Stream, error: Error | None = None) -> None:
        """Have a stream that was parked go on, or end with an error; by a worker, for it is somebody's code."""
        with self._lock:
            if stream not in self._parked:
                return
            del self._parked[stream]
            self._bytes -= len(stream.parked)
            stream.parked = b""
        stream.go_on(lambda: self._answer(stream) if error is None else self._end(stream, error))

    def _end(self, stream: _Stream, error: Error) -> None:
        with use(stream.context), contextlib.suppress(StopIteration):
            stream.messages.throw(error)
