"""A collector that returns constants, or works until its call ends."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence

from lamina.context import current
from lamina.errdefs import NotFound
from lamina.metadata.collection import Chain, GarbageCollector, ImageUsage, Removed, Step, Usage

DIGEST = f"sha256:{'a' * 64}"
REMOVED = (
    Removed("snapshot", "x", "default", "overlayfs", size=5, reason="unused"),
    Removed("blob", DIGEST, size=7, reason="unused"),
    Removed("blob", DIGEST, size=8, reason="unused", error="no"),
    Removed("image", "old", "default", size=9, reason="unused", young=True),
)
USAGE = Usage((ImageUsage("default", "debian", 3, 4, 5, 6),), 10, 20, 2, failures=("snapshotter x: no",))
CHAINS = (
    (
        Step("image", "debian", "default", how="a name"),
        Step("snapshot", "x", "default", "overlayfs", how="a label"),
    ),
)


class RecordedCollector(GarbageCollector):
    """Records what it is asked for, and returns the constants above."""

    def __init__(self, removed: Sequence[Removed] = REMOVED, error: Exception | None = None) -> None:
        self.removed = removed
        self.error = error
        self.grace = 60.0
        self.asked: list[tuple[object, ...]] = []
        self.called = threading.Semaphore(0)
        """Released by each collection."""
        self.is_endless = False
        self.ended = threading.Event()
        """Set when an endless collection has ended."""

    def collect(self, *, dry_run: bool = False, content_only: bool = False) -> Iterator[Removed]:
        self.asked.append((dry_run, content_only))
        self.called.release()
        yield from self.removed
        if self.error:
            raise self.error
        if self.is_endless:
            cancelled = threading.Event()
            current().on_cancel(cancelled.set)
            cancelled.wait()
            self.ended.set()
            current().check()

    def discard(self, digests: Collection[str]) -> None:
        self.asked.append(tuple(digests))

    def usage(self) -> Usage:
        return USAGE

    def why(self, name: str, namespace: str) -> Sequence[Chain]:
        self.asked.append((name, namespace))
        if name == "missing":
            raise NotFound("nothing is called 'missing'")
        return CHAINS
