"""Numbers that were seen, by how large they were."""

from __future__ import annotations

import bisect
from typing import Self


class Histogram:
    """Counts numbers by the bucket that they fall into.

    Not guarded against threads that observe at the same time: whoever has several holds a lock.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Begin with nothing seen.

        Args:
            bounds: The largest number of each bucket, in ascending order. One more bucket takes what is larger.
        """
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """How many numbers each bucket has, those of the buckets below it not among them."""
        self.total = 0.0
        """The sum of all numbers."""

    def observe(self, number: float) -> None:
        """Count a number."""
        self.counts[bisect.bisect_left(self.bounds, number)] += 1
        self.total += number

    @property
    def count(self) -> int:
        """How many numbers were seen."""
        return sum(self.counts)

    def add(self, other: Histogram) -> None:
        """Count all that another one of the same bounds has seen."""
        self.counts = [mine + others for mine, others in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def copy(self) -> Self:
        """One that stays as this one is now."""
        copy = type(self)(self.bounds)
        copy.counts, copy.total = self.counts.copy(), self.total
        return copy
