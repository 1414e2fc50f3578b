"""Faults that are injected on purpose, and how many: a fault test says so in the summary of the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function that adds a line to the summary of the run: the counts of a test."""
    return lambda line: record_property("counts", line)
