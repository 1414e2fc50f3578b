"""A ballast file reserves space, releases it and reserves it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.fs import BALLAST_BYTES, Ballast
from lamina.fs import _ballast as ballast_module
from tests.support.waiting import wait_until

SECONDS = 60


def space(path: Path) -> int:
    return path.stat().st_blocks * 512 if path.exists() else 0


def test_the_space_is_reserved_and_stays_so_after_close(tmp_path: Path) -> None:
    ballast = Ballast(str(tmp_path / "ballast"))
    ballast.close()
    ballast.close()
    assert space(tmp_path / "ballast") >= BALLAST_BYTES == (tmp_path / "ballast").stat().st_size


def test_a_released_ballast_comes_back_once_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ballast"
    ballast = Ballast(str(path))
    monkeypatch.setattr(ballast_module, "RETRY_SECONDS", 600)
    ballast.release()
    assert not path.exists()
    ballast.close()
    monkeypatch.setattr(ballast_module, "RETRY_SECONDS", 0.01)
    again = Ballast(str(path))
    again.release()
    wait_until(lambda: space(path) >= BALLAST_BYTES, SECONDS, "the ballast to be recreated")
    again.close()


def test_releasing_a_missing_ballast_is_not_an_error(tmp_path: Path) -> None:
    ballast = Ballast(str(tmp_path / "ballast"))
    ballast.release()
    ballast.release()
    ballast.close()


def test_a_partial_ballast_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "ballast"
    path.touch()
    Ballast(str(path)).close()
    assert space(path) >= BALLAST_BYTES


def test_a_ballast_that_cannot_be_created_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ballast").mkdir()
    Ballast(str(tmp_path / "ballast")).close()
    assert [record.getMessage() for record in caplog.records] == [
        "cannot create the ballast: deletions may fail on a full disk"
    ]
