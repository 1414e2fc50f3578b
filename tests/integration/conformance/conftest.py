"""A quicker look at what checks leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import leftovers
import pytest


@pytest.fixture(autouse=True)
def _nothing_stays_behind(tmp_path: Path) -> Iterator[None]:
    """In place of the one for all tests: checks start no process, and looking for any takes as long as most do."""
    yield
    if found := leftovers.remove_mounts(tmp_path) + leftovers.remove_loop_devices(tmp_path):
        pytest.fail("left behind: " + "; ".join(found), pytrace=False)
