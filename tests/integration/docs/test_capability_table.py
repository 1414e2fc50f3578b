"""The table of capabilities in the README."""

from __future__ import annotations

import pytest

from tests.support.snapshotters import capabilities


@pytest.mark.requires("root", "overlay", "btrfs")
def test_the_readme_shows_the_capabilities_that_the_snapshotters_report() -> None:
    right = capabilities.table(capabilities.reported())
    command = f"python -m {capabilities.__name__}"
    assert capabilities.written() == right, f"run `{command}` as root, or write:\n{right}"
