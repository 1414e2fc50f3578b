"""Long work in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of a size; only the last one may be shorter."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
