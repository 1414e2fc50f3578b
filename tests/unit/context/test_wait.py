"""Waiting that ends with the call."""

from __future__ import annotations

import threading
import time

import pytest

from lamina.context import CallContext
from lamina.errdefs import Canceled, DeadlineExceeded

LONG = 1000.0


def test_a_call_without_an_end_waits() -> None:
    began = time.monotonic()
    CallContext().wait(0.02)
    assert time.monotonic() - began >= 0.02


def test_waiting_ends_when_the_call_is_cancelled() -> None:
    call = CallContext()
    canceller = threading.Timer(0.02, call.cancel)
    canceller.start()
    with pytest.raises(Canceled):
        call.wait(LONG)
    canceller.join()


def test_waiting_ends_with_the_deadline() -> None:
    with pytest.raises(DeadlineExceeded):
        CallContext(deadline=time.monotonic() + 0.02).wait(LONG)


def test_a_call_that_has_ended_does_not_wait() -> None:
    with pytest.raises(Canceled):
        CallContext(cancelled=True).wait(LONG)


def test_nothing_stays_registered() -> None:
    call = CallContext()
    call.wait(0)
    assert not call._callbacks
