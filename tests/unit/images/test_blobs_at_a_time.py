"""Transfers of several blobs at a time."""

import signal
import sys
import threading
import traceback

import pytest

from lamina.context import current
from lamina.errdefs import Canceled
from lamina.images.distribution._parallel import for_each
from tests.support.waiting import wait_until

SECONDS = 60


def waits_for_transfers() -> bool:
    """Return whether the main thread has started all others, and waits for them."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]
    return {"for_each", "wait"} <= {one.f_code.co_qualname for one, _ in traceback.walk_stack(frame)}


class Interrupted(BaseException):
    """Raised by a signal handler, as KeyboardInterrupt is."""


def test_an_interrupt_ends_the_transfers_that_have_begun() -> None:
    ended: list[int] = []

    def transfer(item: int) -> None:
        wait_until(waits_for_transfers, SECONDS, "all threads to be started")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        with pytest.raises(Canceled):
            current().wait(SECONDS)
        ended.append(item)

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Interrupted):
            for_each(range(1), transfer)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended == [0]
