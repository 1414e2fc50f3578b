"""Calls of plugins that hang, and deadlines that no other call misses, however slow the machine is."""

from __future__ import annotations

import threading

import pytest

from lamina.plugin.lifecycle._deadline import _DeadlineCall

SECONDS = 60


class Hanging:
    """Lets calls of plugins hang. Their deadlines begin when they hang; all other calls have time enough."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Change the waits of all calls that have a deadline."""
        self.release = threading.Event()
        """Ends the calls that hang."""
        self._names: set[str] = set()
        """The names of these calls, which their threads have too."""
        original = _DeadlineCall.wait

        def wait(call: _DeadlineCall[object], seconds: float) -> None:
            while not call._ended:
                if call.name in self._names:
                    original(call, seconds)
                    return
                original(call, 0.001)

        monkeypatch.setattr(_DeadlineCall, "wait", wait)

    def __call__(self) -> bool:
        """Hang, in a call of a plugin; return whether it was released."""
        name = threading.current_thread().name
        self._names.add(name)
        try:
            return self.release.wait(SECONDS)
        finally:
            self._names.discard(name)
