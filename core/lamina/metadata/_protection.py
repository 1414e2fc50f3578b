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
"""The interval at which a thread that waits for a removal looks whether its call ended."""
_NAMED: Final = 100_000
"""The most things whose temporary leases are remembered after their end. Those that are forgotten stay a little
longer: for the grace of the collector."""


class Protection:
    """Says what must not be removed now.

    A thread holds the lock for a few operations on sets, never while anything is read or removed.
    """

    def __init__(self) -> None:
        self._guard = threading.Condition()
        self._leased: Counter[Node] = Counter()
        self._named: dict[Node, int] = {}
        """When the last temporary lease of a thing ended, in nanoseconds since 1970, the earliest first."""
        self._changing: Counter[Node] = Counter()
        """Targets of references that are being stored."""
        self._recorded: set[Node] | None = None
        """Targets of references that were stored since the collection began; None if there is none."""
        self._removing: set[Node] = set()
        self._collections = KeyedLock()

    def lease(self, node: Node) -> None:
        """Protect a thing from removals that begin later, until `release`. For others see `wait_for`."""
        with self._guard:
            self._leased[node] += 1

    def release(self, nodes: Iterable[Node], *, finished: bool) -> None:
        """End the protection of things.

        Args:
            nodes: The things.
            finished: Whether the operation has ended as it should: then it refers to what it wants to keep, and
                the rest is not protected by its age.
        """
        now = time.time_ns()
        with self._guard:
            for node in nodes:
                self._leased[node] -= 1
                if not self._leased[node]:
                    del self._leased[node]
                if finished:
                    self._named.pop(node, None)
                    self._named[node] = now
            while len(self._named) > _NAMED:
                del self._named[next(iter(self._named))]

    def is_leased(self, node: Node) -> bool:
        """Return whether a temporary lease protects a thing."""
        with self._guard:
            return node in self._leased

    def named(self, node: Node) -> int:
        """Return when the last temporary lease of a thing ended, in nanoseconds since 1970; 0 if it had none."""
        with self._guard:
            return self._named.get(node, 0)

    @contextlib.contextmanager
    def announced(self, nodes: Collection[Node]) -> Iterator[None]:
        """Store references in the block: a collection that runs meanwhile marks their targets.

        Args:
            nodes: The targets.
        """
        with self._guard:
            self._changing.update(nodes)
            if self._recorded is not None:
                self._recorded.update(nodes)
        try:
            yield
        finally:
            with self._guard:
                for node in nodes:
                    self._changing[node] -= 1
                    if not self._changing[node]:
                        del self._changing[node]

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Record the targets of all references that are stored during the block, after other collections.

        Raises:
            Canceled, DeadlineExceeded: The current call ended while it waited for another collection.
        """
        with self._collections.hold(""):
            with self._guard:
                self._recorded = set(self._changing)
            try:
                yield
            finally:
                with self._guard:
                    self._recorded = None

    def take_recorded(self) -> set[Node]:
        """Return what was recorded since the last time."""
        with self._guard:
            taken = self._recorded or set()
            if self._recorded is not None:
                self._recorded = set()
        return taken

    @contextlib.contextmanager
    def removing(self, nodes: Collection[Node]) -> Iterator[Collection[Node] | None]:
        """Yield those of some things that may be removed in the block; None if something recorded is to be taken.

        A temporary lease that begins meanwhile waits for the end of the block, so an operation finds the thing
        before or after, never while it vanishes.
        """
        with self._guard:
            if self._recorded:
                free = None
            else:
                free = [node for node in nodes if node not in self._leased]
                self._removing.update(free)
        try:
            yield free
        finally:
            free = free or []
            with self._guard:
                self._removing.difference_update(free)
                self._guard.notify_all()

    def wait_for(self, node: Node) -> None:
        """Wait until a thing is not being removed.

        Raises:
            Canceled, DeadlineExceeded: The current call ended first.
        """
        with self._guard:
            while node in self._removing:
                current().check()
                self._guard.wait(_SECONDS)
