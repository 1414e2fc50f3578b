"""What the tests of hostile users share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hostile.planted import Victim, deadline


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of root's that every user can enter, on the way to which nothing is exposed."""
    path = Path(tempfile.mkdtemp(prefix="hostile-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def victim(place: Path) -> Iterator[Victim]:
    """What is to stay as it is."""
    victim = Victim(place)
    yield victim
    victim.check()


@pytest.fixture
def in_time() -> Iterator[None]:
    """Whatever is planted keeps nothing waiting."""
    with deadline():
        yield


@pytest.fixture
def shared(place: Path) -> Path:
    """A directory like /tmp."""
    path = place / "shared"
    path.mkdir()
    path.chmod(0o1777)
    return path
