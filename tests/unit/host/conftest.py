"""What the tests of hosts share."""

from __future__ import annotations

from pathlib import Path

import pytest
from benches import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Bench:
    return Bench(tmp_path, f"plugins_of_{request.node.originalname}", monkeypatch)
