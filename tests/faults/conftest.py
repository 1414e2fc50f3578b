"""Fixtures for the tests of hostile users."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hostile.planted import Victim


@pytest.fixture
def place() -> Iterator[Path]:
    """A secure directory of root that every user can enter."""
    path = Path(tempfile.mkdtemp(prefix="hostile-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def victim(place: Path) -> Iterator[Victim]:
    """Files that must not change."""
    victim = Victim(place)
    yield victim
    victim.check()


@pytest.fixture
def shared(place: Path) -> Path:
    """A sticky directory that every user can write to, like /tmp."""
    path = place / "shared"
    path.mkdir()
    path.chmod(0o1777)
    return path
