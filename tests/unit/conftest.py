"""Fixtures of all unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.plugins.hanging import Hanging


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """`hang()` hangs in a call of a plugin, until the end of the test. No other call misses its deadline."""
    hang = Hanging(monkeypatch)
    yield hang
    hang.release.set()
