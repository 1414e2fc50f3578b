"""`StallWatch`: cancels streams whose clients do not read, because each holds a thread."""

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
"""Seconds that a client may take to read a message while another call waits for its worker."""
_CHECKS: Final = 4
"""Number of checks of each stream in the time that a client may take."""


@attrs.frozen(eq=False)
class _Sending:
    """A message that is being sent."""

    cancel: Callable[[], object]
    """Cancels the stream."""
    holding: Holding
    trace_id: str
    since: float = attrs.field(factory=time.monotonic)


class StallWatch:
    """Cancels streams whose clients have stopped reading: after a long time, or once others need their workers.

    Clients cannot be told apart: for grpcio the peer of any unix socket is `unix:`. Streams are therefore chosen
    by how long they wait for their clients, not by the number that a client has.
    """

    def __init__(self, seconds: float) -> None:
        """Create a watch.

        Args:
            seconds: Seconds that a client may take to read a message while no other call waits for the worker.
        """
        self._seconds = seconds
        self._sending: dict[_Sending, None] = {}
        """Oldest first."""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the watching thread."""
        threading.Thread(target=self._watch, name="stalls", daemon=True).start()

    def stop(self) -> None:
        """Stop the watching thread."""
        self._stopped.set()

    @contextlib.contextmanager
    def sending(self, cancel: Callable[[], object], holding: Holding) -> Iterator[None]:
        """Watch the block, which sends a message.

        Args:
            cancel: Called if the block takes too long, to make it end.
            holding: The worker of the stream.
        """
        sending = _Sending(cancel, holding, current().trace_id)
        self._sending[sending] = None
        try:
            yield
        finally:
            self._sending.pop(sending, None)

    def give_way(self, key: Key) -> bool:
        """Cancel the stream that has waited longest for its client, if it has for `GIVE_WAY` seconds.

        Args:
            key: Key of the share that needs a worker.

        Returns:
            True if there was such a stream. Its worker is free.
        """
        for sending in list(self._sending):
            if sending.holding.key == key and self._waits(sending, GIVE_WAY):
                sending.holding.close()
                self._cancel(sending)
                return True
        return False

    def _watch(self) -> None:
        while not self._stopped.wait(self._seconds / _CHECKS):
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
