"""A set of names that takes little memory."""

from __future__ import annotations

import bisect
from array import array
from typing import Final

import attrs

_MAX_RECENT: Final = 1 << 16
"""Names kept in a set before they are sorted into an array, in which each takes 8 bytes."""


@attrs.define(eq=False, repr=False)
class NameSet:
    """A set of names in directories, as hashes of 64 bits: a million take 10 MiB.

    With ten million names, the probability that two have the same hash is 3 in 10^6; then a file of a lower layer
    stays although it was deleted. An archive cannot bring it about: Python salts the hashes of bytes.
    """

    _recent: set[int] = attrs.field(factory=set)
    _sorted: list[array[int]] = attrs.field(factory=list)

    def add(self, directory: int, name: bytes) -> None:
        """Add a name."""
        self._recent.add(hash((directory, name)))
        if len(self._recent) > _MAX_RECENT:
            self._sorted.append(array("q", sorted(self._recent)))
            self._recent.clear()

    def has(self, directory: int, name: bytes) -> bool:
        """Return whether a name was added; arguments as for `add`."""
        key = hash((directory, name))
        return key in self._recent or any(_contains(run, key) for run in self._sorted)


def _contains(run: array[int], key: int) -> bool:
    index = bisect.bisect_left(run, key)
    return index < len(run) and run[index] == key
