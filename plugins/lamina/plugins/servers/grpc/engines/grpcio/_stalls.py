"""`StallWatch`: streams whose clients do not read, where each holds a thread."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from lamina.context import current
from lamina.plugins.servers.grpc._shares import Holding, Key

_log = logging.getLogger(__name__)

GIVE_WAY: Final = 1.0
"""Seconds that a client may take over one message where another call wants the place of its stream."""
_LOOKS: Final = 4
"""How many times streams are looked at in the time that a client may take."""


@attrs.frozen(eq=False)
class _Sending:
    """A message on its way to a client."""

    cancel: Callable[[], object]
    """Ends the stream."""
    holding: Holding
    trace_id: str
    since: float = attrs.field(factory=time.monotonic)


class StallWatch:
    """Cancels what clients have stopped reading: after a long time, or as soon as others want the place.

    Clients cannot be told apart: all that grpcio knows of one on a unix socket is `unix:`. So it is not looked at
    who has how many streams, but which of them wait for their client.
    """

    def __init__(self, seconds: float) -> None:
        """Set the limit.

        Args:
            seconds: How long a client may take over one message, where that keeps nobody waiting.
        """
        self._seconds = seconds
        self._sending: dict[_Sending, None] = {}
        """In the order in which they were begun."""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, name="stalls", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    @contextlib.contextmanager
    def sending(self, cancel: Callable[[], object], holding: Holding) -> Iterator[None]:
        """A block in which a message is sent.

        Args:
            cancel: Ends the sending; called if the block takes too long.
            holding: The place of its stream.
        """
        sending = _Sending(cancel, holding, current().trace_id)
        self._sending[sending] = None
        try:
            yield
        finally:
            self._sending.pop(sending, None)

    def give_way(self, key: Key) -> bool:
        """Cancel the stream that has waited longest for its client, if that is longer than `GIVE_WAY`.

        Args:
            key: Whose place is wanted. It is free on return.

        Returns:
            Whether there was such a stream.
        """
        for sending in list(self._sending):
            if sending.holding.key == key and self._waits(sending, GIVE_WAY):
                sending.holding.close()
                self._cancel(sending)
                return True
        return False

    def _watch(self) -> None:
        while not self._stopped.wait(self._seconds / _LOOKS):
            for sending in list(self._sending):
                if self._waits(sending, self._seconds):
                    self._cancel(sending)

    def _waits(self, sending: _Sending, seconds: float) -> bool:
        return sending.since < time.monotonic() - seconds

    def _cancel(self, sending: _Sending) -> None:
        self._sending.pop(sending, None)
        fields = {"trace_id": sending.trace_id}
        _log.warning("cancelled a stream whose client has stopped reading", extra=fields)
        sending.cancel()
