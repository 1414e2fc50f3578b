"""Figures of the design that come from the table of the benchmark are those of its last run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
DESIGN = (DOCS / "design.md").read_text()
TABLE = (
    (DOCS / "performance.md").read_text().partition("<!-- benchmark -->")[2].partition("<!-- /benchmark -->")[0]
)

SENTENCES = (
    ("overlayfs: prepare and remove, 16 at a time", r"16 callers that gives ([\d,]+) pairs .* reaches ([\d,]+)"),
    ("overlayfs: prepare and remove, 1 at a time", r"with one caller ([\d,]+) and ([\d,]+)\."),
    ("overlayfs: prepare and commit, 16 at a time", r"commits ([\d,]+) layers .*, commits ([\d,]+)\."),
    ("memory after boot", r"memory after boot is ([\d.]+) MiB"),
    ("memory after boot", r"memory after a start is ([\d.]+) MiB"),
    ("overlayfs: memory after boot, 100,000 snapshots", r"no snapshots and ([\d.]+) MiB with 100,000"),
    ("in process: a durable write transaction; the other is bbolt", r"write [\d.]+ µs instead of ([\d.]+)"),
    ("in process: a durable write transaction; the other is bbolt", r"write ([\d.]+) µs instead of"),
    ("in process: stat, in an open transaction; the other is bbolt", r"a stat [\d.]+ µs instead of ([\d.]+)"),
    ("in process: stat, in an open transaction; the other is bbolt", r"a stat ([\d.]+) µs instead of"),
)
"""Rows of the table, and the sentences with figures from their first two columns."""


@pytest.mark.parametrize(("row", "sentence"), SENTENCES)
def test_the_design_has_the_figures_of_the_table(row: str, sentence: str) -> None:
    (columns,) = re.findall(rf"^\| {re.escape(row)} \| (.*?) \| (.*?) \|", TABLE, re.MULTILINE)
    measured = [re.sub(r" .*", "", column) for column in columns]
    stated = re.search(sentence, DESIGN)
    assert stated
    assert set(stated.groups()) <= set(measured)
