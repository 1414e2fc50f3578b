"""The benchmark runs; how fast anything is, is not asked here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.directories import CHECKOUT
from tests.support.interop.releases import release

SECONDS = 1500
"""Seconds that a benchmark may take beside other tests: it makes thousands of calls."""


@pytest.mark.requires("root", "overlay", "btrfs", "loop", "mkfs.ext4", "containerd", "cc", "strace")
def test_every_comparison_completes_and_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    page.write_text("Before\n<!-- benchmark -->\nold\n<!-- /benchmark -->\nAfter\n")

    printed = run(
        *(sys.executable, "-m", "tests.benchmarks", "compare", "--quick"),
        *("--directory", tmp_path, "--json", figures, "--markdown", page),
        seconds=SECONDS,
    )

    scenarios = json.loads(figures.read_text())["scenarios"]
    written = page.read_text()
    assert all(scenarios.values())
    for row in (row for rows in scenarios.values() for row in rows):
        assert row["title"] in printed
        assert f"| {row['title']} |" in written
        assert all(figure > 0 for side in ("lamina", "other") for figure in row[side]["each"])
    assert written.startswith("Before\n<!-- benchmark -->\n")
    assert written.endswith("<!-- /benchmark -->\nAfter\n")
    assert "old\n" not in written


@pytest.mark.requires("root", "containerd-forky", "overlay", "loop", "mkfs.ext4", "btrfs", "cc", "strace")
def test_the_containerd_of_a_suite_is_measured_in_place_of_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CHECKOUT)
    figures = tmp_path / "figures.json"
    scenario = ("compare", "--quick", "--scenario", "boot", "--containerd", "forky")
    command = (sys.executable, "-m", "tests.benchmarks", *scenario, "--directory", tmp_path, "--json", figures)
    run(*command, seconds=SECONDS)
    assert f"containerd {release('forky').upstream}" in json.loads(figures.read_text())["machine"]["software"]
