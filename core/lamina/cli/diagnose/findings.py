"""How findings are printed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from lamina.cli.terminal.output import one_line, terminal_width
from lamina.plugin import Finding, Verdict

SHOWN: Final = 10
"""How many findings of one check and kind are shown as text; `--json` has all."""
_MARK: Final = 2 + max(map(len, Verdict))
"""Columns of the word that a finding's line begins with, and of the blanks after it."""
_NARROWEST: Final = 40
"""Columns below which no line is broken, however narrow the terminal."""


@attrs.frozen
class Told:
    """A finding, and what became of it."""

    area: str
    finding: Finding
    repair: str = ""
    """What was done to mend it, would be done, or why it was not; "" where that was not asked for."""
    is_mended: bool = False

    @property
    def is_problem(self) -> bool:
        """Whether it does not work, still."""
        return self.finding.status is Verdict.PROBLEM and not self.is_mended

    def document(self) -> dict[str, str]:
        """It for `--json`."""
        found = self.finding
        document = {
            "Area": self.area,
            "Check": found.check,
            "Status": str(found.status),
            "Found": found.found,
            "Remedy": found.remedy,
        }
        return document | ({"Repair": self.repair} if self.repair else {})


def lines(told: Sequence[Told]) -> Iterator[str]:
    """The findings below the name of their area, and how many of which kind there are."""
    width = terminal_width()
    area = ""
    counts: dict[tuple[str, str, Verdict], int] = {}
    for one in told:
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
    totals = [(verdict, sum(one.finding.status is verdict for one in told)) for verdict in Verdict]
    mended = sum(one.is_mended for one in told)
    yield ""
    yield ", ".join(
        [
            *(f"{count} {verdict}" for verdict, count in totals if count),
            *([f"{mended} mended"] if mended else []),
        ]
    )


def _of(one: Told, width: int | None) -> Iterator[str]:
    finding = one.finding
    yield from _wrapped(f"{finding.status:{_MARK}}", f"{finding.check}: {finding.found}", width)
    if finding.remedy and not one.is_mended:
        yield from _wrapped(" " * _MARK, f"remedy: {finding.remedy}", width)
    if one.repair:
        yield from _wrapped(" " * _MARK, f"repair: {one.repair}", width)


def _left_out(counts: dict[tuple[str, str, Verdict], int]) -> Iterator[str]:
    for (_, check, status), count in counts.items():
        if count > SHOWN:
            yield f"  {status:{_MARK}}{check}: {count - SHOWN:,} more like that; --json shows all"


def _wrapped(mark: str, text: str, width: int | None) -> Iterator[str]:
    """Text after a mark: on one line, or on a terminal on as many as it takes, indented."""
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
