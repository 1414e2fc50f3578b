"""The protection of things from a collection, in memory: temporary leases, and the write barrier."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from lamina.context import KeyedLock, current
from lamina.metadata._node import Node

_SECONDS: Final = 0.1
"""The interval at which a thread that waits for a removal checks whether its call ended."""
_NAMED: Final = 100_000
"""Maximum number of things whose temporary leases are remembered after their end. The others stay a little longer:
for the grace of the collector."""


class Protection:
    """The things that a collection has to mark besides those it finds: everything that is held while it runs.

    Its lock is held for operations on sets alone, never while anything is read, stored or removed.
    """

    def __init__(self) -> None:
        self._guard = threading.Condition()
        self._held: Counter[Node] = Counter()
        self._named: dict[Node, int] = {}
        """The end of the last temporary lease of each thing, in nanoseconds since 1970, the earliest first."""
        self._recorded: set[Node] | None = None
        """The things held since the collection began and not yet marked; None if there is no collection."""
        self._removing: set[Node] = set()
        self._collections = KeyedLock()

    def hold(self, nodes: Collection[Node]) -> None:
        """Protect things until `release`, with all they refer to.

        A removal in progress continues: `wait_for` waits for it.
        """
        with self._guard:
            self._held.update(nodes)
            if self._recorded is not None:
                self._recorded.update(nodes)

    def release(self, nodes: Iterable[Node], *, named: bool = False) -> None:
        """End the protection of things; a running collection still keeps them.

        Args:
            nodes: The things.
            named: Whether their age no longer protects them either.
        """
        now = time.time_ns()
        with self._guard:
            for node in nodes:
                self._held[node] -= 1
                if not self._held[node]:
                    del self._held[node]
                if named:
                    self._named.pop(node, None)
                    self._named[node] = now
            while len(self._named) > _NAMED:
                del self._named[next(iter(self._named))]

    @contextlib.contextmanager
    def held(self, nodes: Collection[Node]) -> Iterator[None]:
        """Protect things during the block, in which references to them are stored."""
        self.hold(nodes)
        try:
            yield
        finally:
            self.release(nodes)

    def wait_for(self, node: Node) -> None:
        """Wait until a thing is not being removed.

        Raises:
            Canceled, DeadlineExceeded: The current call ended first.
        """
        with self._guard:
            while node in self._removing:
                current().check()
                self._guard.wait(_SECONDS)

    def is_held(self, node: Node) -> bool:
        """Return whether a thing is protected."""
        with self._guard:
            return node in self._held

    def named(self, node: Node) -> int:
        """Return when the last temporary lease of a thing ended, in nanoseconds since 1970.

        Returns:
            0 if it had none, or if the clock has been set back since: what is made again may have an earlier
            time.
        """
        with self._guard:
            ended = self._named.get(node, 0)
        return ended if ended <= time.time_ns() else 0

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Record things held during the block, once other collections have ended.

        Raises:
            Canceled, DeadlineExceeded: The current call ended while it waited for another collection.
        """
        with self._collections.hold(""):
            with self._guard:
                self._recorded = set(self._held)
            try:
                yield
            finally:
                with self._guard:
                    self._recorded = None

    def take_recorded(self) -> set[Node]:
        """Return the things recorded since the last call, to be marked."""
        with self._guard:
            taken, self._recorded = self._recorded or set(), set()
        return taken

    @contextlib.contextmanager
    def removing(self, nodes: Collection[Node]) -> Iterator[bool]:
        """Yield whether unmarked things may be removed in the block: only if all recorded things are marked.

        An operation that needs one of them from then on waits for the end of the block (`wait_for`), so it never
        finds one that is about to vanish.
        """
        with self._guard:
            may_remove = not self._recorded
            if may_remove:
                self._removing.update(nodes)
        try:
            yield may_remove
        finally:
            with self._guard:
                if may_remove:
                    self._removing.difference_update(nodes)
                self._guard.notify_all()
