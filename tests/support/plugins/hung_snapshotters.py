"""A snapshotter that answers nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Final

from lamina.errdefs import Unavailable
from lamina.mount import Mount
from lamina.snapshots import Info, Snapshotter, Usage

PATIENCE: Final = 120.0
"""Seconds after which even this one answers, so that no test hangs with it."""


class HungSnapshotter(Snapshotter):
    """Waits in every call until it is let go, and fails then: as behind a socket on which nobody answers."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.entered = threading.Semaphore(0)
        """Released by each call that waits."""

    def _hang(self) -> Unavailable:
        self.entered.release()
        self.go.wait(PATIENCE)
        return Unavailable("answered at last")

    def stat(self, key: str) -> Info:
        raise self._hang()

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        raise self._hang()

    def usage(self, key: str) -> Usage:
        raise self._hang()

    def mounts(self, key: str) -> list[Mount]:
        raise self._hang()

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        raise self._hang()

    def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        raise self._hang()

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        raise self._hang()

    def remove(self, key: str) -> None:
        raise self._hang()

    def walk(self, *filters: str) -> Iterator[Info]:
        raise self._hang()

    def cleanup(self) -> None:
        raise self._hang()
