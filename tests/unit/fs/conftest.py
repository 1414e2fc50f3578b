"""Fixtures for the tests of copies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.fs import remove_tree


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """An empty directory. It and its copy `target` beside it are removed afterwards, at any depth."""
    (tmp_path / "source").mkdir()
    yield tmp_path / "source"
    for name in ("source", "target"):
        remove_tree(str(tmp_path / name))
