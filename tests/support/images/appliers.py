"""Appliers that tell what they did."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from lamina.layers import Applied, Applier, Blob, LocalDiffer
from lamina.mount import Mount


class CountingApplier(Applier):
    """Applies layers in the calling thread, and counts them."""

    def __init__(self, before: Callable[[int], object] = lambda _: None) -> None:
        """`before` is called before each layer with its number, from 1."""
        self._before = before
        self._inner = LocalDiffer()
        self._guard = threading.Lock()
        self.begun = 0
        self.rebased: list[bool] = []
        """Of each layer that was applied, whether that was without its parent."""

    def apply(
        self,
        blob: Blob,
        mounts: Sequence[Mount],
        *,
        rebased: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> Applied:
        with self._guard:
            self.begun += 1
            number = self.begun
        self._before(number)
        applied = self._inner.apply(blob, mounts, rebased=rebased, progress=progress)
        with self._guard:
            self.rebased.append(rebased)
        return applied
