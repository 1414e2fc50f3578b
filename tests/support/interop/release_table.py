"""docs/containerd.md's table of what works with which containerd, as the tests of a run found it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import attrs
import pytest

from tests.support.directories import CHECKOUT

PAGE = CHECKOUT / "docs/containerd.md"
SNAPSHOTTERS = ("overlayfs", "native", "btrfs")
_TABLE = re.compile(r"(?<=<!-- releases -->\n).*?(?=<!-- /releases -->)", re.DOTALL)


@attrs.frozen
class Outcome:
    """What one test showed.

    Attributes:
        capability: What it is a test of, in Markdown.
        version: containerd's.
        snapshotter: lamina's.
        outcome: pytest's word.
    """

    capability: str
    version: str
    snapshotter: str
    outcome: str


def outcomes(reports: Iterable[pytest.TestReport]) -> Iterator[Outcome]:
    """What the reports say, whichever process made them."""
    for report in reports:
        for name, value in report.user_properties:
            if name == "capability":
                assert isinstance(value, list | tuple)
                yield Outcome(*value, report.outcome)


def table(found: Iterable[Outcome]) -> str:
    """The table, in Markdown. A dash stands for what a containerd does not have."""
    cells: dict[str, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for outcome in found:
        cells[outcome.capability][outcome.version].append(outcome)
    versions = sorted(
        {version for row in cells.values() for version in row}, key=lambda version: [*map(int, version.split("."))]
    )
    rows = [["containerd", *versions], ["---", *(":---:" for _ in versions)]]
    rows += [[name, *(_cell(row[version]) for version in versions)] for name, row in sorted(cells.items())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(found: list[Outcome]) -> str:
    """`yes` if everything passed, else what did."""
    tried = [outcome for outcome in found if outcome.outcome != "skipped"]
    if not tried:
        return "-"
    failed = {outcome.snapshotter for outcome in tried if outcome.outcome != "passed"}
    passed = [name for name in SNAPSHOTTERS if name in {outcome.snapshotter for outcome in tried} - failed]
    return "yes" if not failed else ", ".join(passed) or "no"


def write(new: str) -> None:
    """Put a table on the page, in the place of the one that is there."""
    PAGE.write_text(_TABLE.sub(lambda _: new, PAGE.read_text(), count=1))
