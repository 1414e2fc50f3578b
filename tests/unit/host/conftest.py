"""Fixtures for tests of hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.host import _retries
from tests.support.plugins.benches import Bench
from tests.support.plugins.failing_plugins import DISK, Failing


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Bench:
    return Bench(tmp_path, f"plugins_of_{request.node.originalname}", monkeypatch)


@pytest.fixture
def failing(bench: Bench) -> Failing:
    """The init of a plugin `disk`, which fails for want of space."""
    failing = Failing(bench)
    bench.plugin(DISK, failing)
    return failing


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the delays of retries."""
    monkeypatch.setattr(_retries, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(_retries, "LONGEST_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable retries unless a test requests them."""
    monkeypatch.setattr(_retries, "FIRST_SECONDS", 3600.0)
