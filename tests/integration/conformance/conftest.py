"""Leak checks for the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import leftovers


@pytest.fixture(autouse=True)
def _nothing_stays_behind(tmp_path: Path) -> Iterator[None]:
    """Replace the fixture of all tests, because what they share outlives the check that starts it."""
    yield
    if found := leftovers.remove_mounts(tmp_path) + leftovers.remove_loop_devices(tmp_path):
        pytest.fail("left behind: " + "; ".join(found), pytrace=False)
