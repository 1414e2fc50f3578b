"""`IoThreads`: the threads of pygrpc-native that read from sockets and write to them."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Final

_log = logging.getLogger(__name__)

NAME: Final = "grpc-native-io"
"""The name that pygrpc-native gives them."""
_TASKS: Final = "/proc/self/task"


class IoThreads:
    """The I/O threads of this process, which can let the others finish what they do.

    On Linux, a thread that wakes up may interrupt the one that runs on its processor. While a thread answers many
    calls in a row, the first response wakes the I/O thread, which interrupts it, writes that one response, and
    sleeps again until the next one. Then each response costs two switches, and wakes a client for itself.
    A thread with the policy SCHED_BATCH (sched(7)) interrupts no other, and finds many responses when it runs. It
    may have to wait for the processor, so this is only for calls that come in crowds.
    """

    def __init__(self) -> None:
        """Look for no thread yet."""
        self._ids: list[int] | None = None
        """Those whose policy may be changed. None: not known yet."""

    def give_way(self, to_others: bool) -> None:
        """Keep them from interrupting other threads, or allow it again.

        Threads that were given another policy than the usual one stay as they are, as do all if it is not allowed.
        """
        policy = os.SCHED_BATCH if to_others else os.SCHED_OTHER
        try:
            if self._ids is None:
                self._ids = [id_ for id_ in io_threads() if os.sched_getscheduler(id_) == os.SCHED_OTHER]
            for id_ in self._ids:
                os.sched_setscheduler(id_, policy, os.sched_param(0))
        except OSError as error:
            _log.info("cannot change the scheduling of I/O threads: %s", error)
            self._ids = []


def io_threads() -> list[int]:
    """Return the ids of the I/O threads of this process."""
    found = []
    for id_ in os.listdir(_TASKS):
        gone = (FileNotFoundError, ProcessLookupError)  # the thread has ended
        with contextlib.suppress(*gone), open(f"{_TASKS}/{id_}/comm") as file:
            if file.read().rstrip() == NAME:
                found.append(int(id_))
    return found
