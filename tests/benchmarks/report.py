"""What was measured, as a table on a terminal, in Markdown and in JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import attrs
from rich.table import Table

HEADINGS = ("", "lamina", "containerd", "ratio", "aim", "p50 / p99, ms", "syncs")
"""Of the last two, lamina's come first."""


@attrs.frozen
class Aim:
    """What is hoped for."""

    bound: Literal["at least", "at most"]
    limit: float
    of: Literal["ratio", "lamina"] = "ratio"
    """Whether the ratio to the other side is bounded, or lamina's own figure."""


@attrs.frozen
class Figures:
    """One side's."""

    each: list[float]
    """One of each round."""
    latencies: tuple[float, float] | None = None
    """The 50th and the 99th percentile of what the calls of all rounds took, in seconds."""
    syncs: float | None = None
    """Sync calls an operation, counted apart."""
    client: float | None = None
    """The most of the machine's CPU time that the callers took in a round, of 1."""

    @property
    def median(self) -> float:
        return statistics.median(self.each)


@attrs.frozen
class Row:
    """One thing that was compared."""

    title: str
    unit: str
    lamina: Figures
    other: Figures
    """containerd's, unless the title says otherwise."""
    aim: Aim | None = None

    @property
    def ratio(self) -> float:
        """lamina's median over the other's."""
        return self.lamina.median / self.other.median

    @property
    def ratios(self) -> list[float]:
        """lamina's over the other's, in each round."""
        return [one / other for one, other in zip(self.lamina.each, self.other.each, strict=True)]

    @property
    def holds(self) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        if self.aim is None:
            return None
        value = self.ratio if self.aim.of == "ratio" else self.lamina.median
        return value >= self.aim.limit if self.aim.bound == "at least" else value <= self.aim.limit


Rows = Mapping[str, Sequence[Row]]
"""By scenario."""
Machine = Mapping[str, str]


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank: no value is made up."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def cells(row: Row) -> tuple[str, ...]:
    sides = (row.lamina, row.other)
    return (
        row.title,
        *(f"{_number(side.median)} {row.unit}{_spread(side.each)}" for side in sides),
        _number(row.ratio) + _spread(row.ratios),
        _aim(row),
        " · ".join(" / ".join(_number(1000 * one) for one in side.latencies) for side in sides if side.latencies),
        " · ".join(f"{side.syncs:.1f}" for side in sides if side.syncs is not None),
    )


def _spread(values: Sequence[float]) -> str:
    return f" ({_number(min(values))} to {_number(max(values))})" if len(set(values)) > 1 else ""


def _number(value: float) -> str:
    """Three significant digits, and no fewer where there are more before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.{2 - math.floor(math.log10(value))}f}" if value > 0 else "0"


def _aim(row: Row) -> str:
    if row.aim is None:
        return ""
    sign = "≥" if row.aim.bound == "at least" else "≤"
    unit = "" if row.aim.of == "ratio" else f" {row.unit}"
    return f"{sign} {row.aim.limit:g}{unit}: {'yes' if row.holds else 'no'}"


def table(rows: Rows) -> Table:
    result = Table(title="lamina next to containerd: medians of the rounds (least to most)")
    for number, heading in enumerate(HEADINGS):
        result.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for each in rows.values():
        for row in each:
            result.add_row(*cells(row), style="bold" if row.holds is False else None)
        result.add_section()
    return result


def markdown(rows: Rows, machine: Machine) -> str:
    lines = [
        *(f"- {name}: {value}" for name, value in machine.items()),
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|---{'|--:' * (len(HEADINGS) - 1)}|",
        *(f"| {' | '.join(cells(row))} |" for each in rows.values() for row in each),
    ]
    return "\n".join(lines) + "\n"


def to_json(rows: Rows, machine: Machine) -> str:
    scenarios = {
        name: [attrs.asdict(row) | {"ratio": row.ratio, "ratios": row.ratios, "holds": row.holds} for row in each]
        for name, each in rows.items()
    }
    return json.dumps({"machine": machine, "scenarios": scenarios}, indent=1) + "\n"


def describe_machine() -> dict[str, str]:
    """What it is measured on."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    containerd = subprocess.run(["containerd", "--version"], check=True, capture_output=True, text=True).stdout
    software: dict[str, Any] = {
        "Linux": platform.release(),
        "Python": platform.python_version(),
        "lamina": version("lamina"),
        "containerd": containerd.split()[2],
    }
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{cpu.partition(': ')[2]}, {os.cpu_count()} processors, {memory:.0f} GiB",
        "software": ", ".join(f"{name} {number}" for name, number in software.items()),
    }
