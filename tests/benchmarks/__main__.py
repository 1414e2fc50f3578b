"""Run with `make bench`, or `python -m tests.benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table
from tests.benchmarks.start import CONTENDERS, Figures, measure

UNITS = {"seconds_to_answer": ("exec to first answer", "ms", 1000), "resident": ("resident memory", "MiB", 2**-20)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure lamina and containerd side by side.")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is started (default 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    options = parser.parse_args()

    figures: dict[str, list[Figures]] = {name: [] for name in CONTENDERS}
    for name in CONTENDERS:  # caches of files and byte code: nobody's first start is measured
        measure(name)
    rounds = [name for _ in range(options.rounds) for name in CONTENDERS]  # A B A B: noise hits both alike
    for name in track(rounds, "starting", console=Console(stderr=True), disable=not sys.stderr.isatty()):
        figures[name].append(measure(name))

    Console().print(table(figures))
    if options.json:
        document = {name: [figure.__dict__ for figure in each] for name, each in figures.items()}
        options.json.write_text(json.dumps(document, indent=2) + "\n")


def table(figures: dict[str, list[Figures]]) -> Table:
    rounds = len(next(iter(figures.values())))
    table = Table(title=f"Whole processes, medians of {rounds} (least to most)")
    table.add_column("")
    for name in figures:
        table.add_column(name, justify="right")
    table.add_column("ratio", justify="right")
    for field, (title, unit, factor) in UNITS.items():
        columns = [[getattr(figure, field) * factor for figure in each] for each in figures.values()]
        medians = [statistics.median(column) for column in columns]
        cells = [
            f"{median:.0f} {unit} ({min(column):.0f} to {max(column):.0f})"
            for median, column in zip(medians, columns, strict=True)
        ]
        table.add_row(title, *cells, f"{medians[0] / medians[1]:.2f}")
    return table


if __name__ == "__main__":
    main()
