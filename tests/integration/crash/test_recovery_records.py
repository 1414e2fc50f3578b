"""Recovery records after the host was killed before it wrote one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.snapshotters.overlay import open_overlay
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")


def remove(file: Path) -> None:
    file.unlink()


def leave_half(file: Path) -> None:
    file.rename(f"{file}.new")
    os.truncate(f"{file}.new", 10)


def leave_empty(file: Path) -> None:
    os.truncate(file, 0)


def leave_as_before(file: Path) -> None:
    file.write_text("{}")
    os.utime(file, ns=(0, 0))


def read(file: Path) -> dict[str, Any] | None:
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):  # missing, or empty
        document: dict[str, Any] = json.loads(file.read_text())
        return document
    return None


@pytest.mark.parametrize("crash", [remove, leave_half, leave_empty, leave_as_before])
def test_the_next_start_writes_missing_recovery_records(tmp_path: Path, crash: Callable[[Path], None]) -> None:
    file = tmp_path / "overlay/records/1"
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("k", labels={"a": "b"})
    expected = read(file)
    assert expected
    crash(file)
    with open_overlay(tmp_path):
        wait_until(lambda: read(file) == expected, 60, "the record is written")
        wait_until(lambda: os.listdir(file.parent) == ["1"], 60, "nothing else is there")
