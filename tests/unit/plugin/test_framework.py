"""The framework serves any program with plugins: it knows nothing of snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[3]
PACKAGES = ("core/lamina/plugin", "core/lamina/host", "core/lamina/context", "config/lamina/config")
TYPES = SOURCES / "core/lamina/plugin/_types.py"
"""The list of containerd's plugin types, which names all of them."""


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_of_the_framework_does_not_name_snapshots(package: str) -> None:
    modules = set((SOURCES / package).rglob("*.py")) - {TYPES}
    assert modules
    assert [str(module) for module in modules if "snapshot" in module.read_text().lower()] == []
