"""A directory for each test, and an environment without settings of lamina."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.directories import short_directory
from tests.support.processes.workshops import Workshop


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of the user who runs the tests nor those of the tests themselves."""
    for name in [name for name in os.environ if name.startswith("LAMINA_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    with short_directory() as directory:
        workshop = Workshop(directory)
        with workshop.started:
            yield workshop
