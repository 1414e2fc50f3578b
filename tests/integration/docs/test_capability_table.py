"""What the README says of the snapshotters' capabilities."""

from __future__ import annotations

import capabilities
import pytest


@pytest.mark.requires("root", "overlay", "btrfs")
def test_the_readme_shows_the_capabilities_that_the_snapshotters_report() -> None:
    right = capabilities.table(capabilities.reported())
    assert capabilities.written() == right, f"run `python tests/capabilities.py` as root, or write:\n{right}"
