"""`Histogram`."""

from __future__ import annotations

import bisect
from typing import Self


class Histogram:
    """Counts of observed numbers by bucket.

    Not thread-safe: several threads that observe need a lock.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Create an empty histogram.

        Args:
            bounds: The largest number of each bucket, in ascending order. A last bucket counts larger numbers.
        """
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """The count of each bucket; not cumulative."""
        self.total = 0.0
        """The sum of all numbers."""

    def observe(self, number: float) -> None:
        """Count a number."""
        self.counts[bisect.bisect_left(self.bounds, number)] += 1
        self.total += number

    @property
    def count(self) -> int:
        """The number of observations."""
        return sum(self.counts)

    def add(self, other: Histogram) -> None:
        """Add the observations of another histogram with the same bounds."""
        self.counts = [mine + others for mine, others in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def copy(self) -> Self:
        """Return a copy."""
        copy = type(self)(self.bounds)
        copy.counts, copy.total = self.counts.copy(), self.total
        return copy
