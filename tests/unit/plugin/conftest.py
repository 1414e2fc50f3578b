"""Deadlines that do not depend on the speed of the machine."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from lamina.plugin.lifecycle._deadline import _DeadlineCall


@pytest.fixture
def overdue(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The event that a call sets when its deadline is to pass. No other deadline passes, however short it is."""
    overdue = threading.Event()

    def wait(call: _DeadlineCall[Any], _seconds: float) -> None:
        while not call._running.acquire(timeout=0.01):
            if overdue.is_set():
                overdue.clear()
                return

    monkeypatch.setattr(_DeadlineCall, "wait", wait)
    return overdue
