"""Findings as text and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from lamina.cli.terminal.output import one_line, terminal_width
from lamina.plugin import Finding, Verdict

SHOWN: Final = 10
"""The number of findings of one check and status shown as text; `--json` shows all."""
_MARK: Final = 2 + max(map(len, Verdict))
"""The width of the status at the start of a line, including the space after it."""
_NARROWEST: Final = 40
"""The width in columns below which lines are not wrapped."""


@attrs.frozen
class ReportedFinding:
    """A finding, and the outcome of its repair."""

    area: str
    finding: Finding
    repair: str = ""
    """Effect of the repair, or the reason why it was not made; "" if no repair was requested."""
    is_repaired: bool = False

    @property
    def is_problem(self) -> bool:
        """Return whether the problem remains."""
        return self.finding.status is Verdict.PROBLEM and not self.is_repaired

    def document(self) -> dict[str, str]:
        """Return the finding as a JSON object."""
        found = self.finding
        document = {
            "Area": self.area,
            "Check": found.check,
            "Status": str(found.status),
            "Found": found.found,
            "Remedy": found.remedy,
        }
        return document | ({"Repair": self.repair} if self.repair else {})


def lines(reported: Sequence[ReportedFinding]) -> Iterator[str]:
    """Yield the findings below their areas, then their number by status."""
    width = terminal_width()
    area = ""
    counts: dict[tuple[str, str, Verdict], int] = {}
    for one in reported:
        if one.area != area:
            yield from _left_out(counts)
            counts = {}
            area = one.area
            yield one_line(area)
        which = area, one.finding.check, one.finding.status
        counts[which] = counts.get(which, 0) + 1
        if counts[which] <= SHOWN:
            yield from _of(one, width)
    yield from _left_out(counts)
    totals = [(verdict, sum(one.finding.status is verdict for one in reported)) for verdict in Verdict]
    repaired = sum(one.is_repaired for one in reported)
    yield ""
    yield ", ".join(
        [
            *(f"{count} {verdict}" for verdict, count in totals if count),
            *([f"{repaired} repaired"] if repaired else []),
        ]
    )


def _of(one: ReportedFinding, width: int | None) -> Iterator[str]:
    finding = one.finding
    yield from _wrapped(f"{finding.status:{_MARK}}", f"{finding.check}: {finding.found}", width)
    if finding.remedy and not one.is_repaired:
        yield from _wrapped(" " * _MARK, f"remedy: {finding.remedy}", width)
    if one.repair:
        yield from _wrapped(" " * _MARK, f"repair: {one.repair}", width)


def _left_out(counts: dict[tuple[str, str, Verdict], int]) -> Iterator[str]:
    for (_, check, status), count in counts.items():
        if count > SHOWN:
            yield f"  {status:{_MARK}}{check}: {count - SHOWN:,} more; --json shows all"


def _wrapped(mark: str, text: str, width: int | None) -> Iterator[str]:
    """Yield text after a mark: on one line, or on a terminal wrapped and indented."""
    line = f"  {mark}{one_line(text)}"
    if width is None:
        yield line
        return
    yield from textwrap.wrap(
        line,
        max(width, _NARROWEST),
        subsequent_indent=" " * (4 + _MARK),
        break_long_words=False,
        break_on_hyphens=False,
    )
