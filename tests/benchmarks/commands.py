"""How long commands take that only look at something: `python -m tests.benchmarks.commands`.

Each is run in turns with the others against one host of lamina without snapshots. Processor time counts, of which
a command takes little more on a machine that has other things to do; the least of the turns is what it costs.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
from rich.console import Console
from rich.table import Table

from tests.benchmarks.sides import running

LAMINA = (sys.executable, "-m", "lamina")


@attrs.frozen
class Taken:
    """Milliseconds that a command took."""

    processor: float
    wall: float


def commands(address: Path) -> dict[str, tuple[str | Path, ...]]:
    """What is run, by what it is called."""
    found: dict[str, tuple[str | Path, ...]] = {
        "the interpreter alone": (sys.executable, "-c", "pass"),
        "lamina --help": (*LAMINA, "--help"),
        "lamina snapshots ls": (*LAMINA, "snapshots", "-a", address, "ls"),
        "lamina plugins ls": (*LAMINA, "plugins", "-a", address, "ls"),
    }
    if shutil.which("ctr"):
        found["ctr snapshots ls"] = ("ctr", "-a", address, "snapshots", "--snapshotter", "overlayfs", "ls")
    return found


def measure(command: Sequence[str | Path]) -> Taken:
    """Run a command to its end."""
    # Without what development sets, so that modules are compiled once.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(1000 * processor, 1000 * wall)


def table(turns: Sequence[Mapping[str, Taken]]) -> Table:
    """The least of all turns."""
    table = Table("command", "processor, ms", "wall, ms")
    for name in turns[0]:
        processor = min(turn[name].processor for turn in turns)
        table.add_row(name, f"{processor:.0f}", f"{min(turn[name].wall for turn in turns):.0f}")
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks commands", description=__doc__)
    parser.add_argument("--turns", type=int, default=30, help="how often each is run (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lamina-") as directory, running(["lamina"], Path(directory)) as sides:
        subjects = commands(sides[0].socket)
        turns = [{name: measure(command) for name, command in subjects.items()} for _ in range(options.turns)]
    Console().print(table(turns))


if __name__ == "__main__":
    main()
