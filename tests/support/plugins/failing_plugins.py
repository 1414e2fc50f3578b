"""Plugins whose init fails until a test has it succeed."""

from __future__ import annotations

import threading
from typing import Any

from lamina.errdefs import (
    ResourceExhausted,
)
from lamina.host import Host
from lamina.plugin import InitContext
from tests.support.plugins.benches import Bench, Closable, statuses
from tests.support.waiting import wait_until

DISK = "x.store.v1.disk"
USER = "x.user.v1.user"
GUEST = "x.guest.v1.guest"
FULL = ResourceExhausted("disk full")


class Failing:
    """An init that fails while it has an error, and otherwise notes what happens to its plugin."""

    def __init__(self, bench: Bench, error: BaseException | None = FULL) -> None:
        self.error = error
        self.calls = 0
        self._steps = bench.steps

    def __call__(self, ic: InitContext[Any]) -> Closable:
        self.calls += 1
        if self.error is not None:
            raise self.error
        id_ = ic.uri.rpartition(".")[2]
        self._steps.append(f"init {id_}")
        return Closable(id_, self._steps)


def wait_for(host: Host, **expected: str) -> None:
    wait_until(lambda: statuses(host.plugins) == expected, 60, f"plugins are {expected}")


def is_trying() -> bool:
    return any(thread.name == "retries" for thread in threading.enumerate())


def hurry(bench: Bench, host: Host) -> None:
    """Have it tried again at once."""
    host.reload(bench.config())
