"""How long `lamina.fs.copy_tree` takes next to `cp -a --reflink=auto`: `python -m tests.benchmarks.copy`, as root.

Each is measured on file systems made for it: an old one's free space and lately removed inodes slow down one
copy more than the next. What is read is in memory, and nothing is waited for to be on disk. The program's time is
that of its process from exec to exit; the function runs in a process that is there, as it does in a host.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lamina.fs import copy_tree
from tests.benchmarks.file_systems import FORMAT, file_system

FILES, PER_DIRECTORY = 20_000, 100
LARGE = 1 << 30
"""Bytes."""


def cp(source: str, target: str) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


CONTENDERS: dict[str, Callable[[str, str], None]] = {"lamina": copy_tree, "cp -a": cp}


def make_files(root: Path, files: int = FILES) -> None:
    """Files as they are in an image: most of them small, 100 in a directory, two levels down."""
    sizes = random.Random(1)
    for number in range(files // PER_DIRECTORY):
        directory = root / f"{number % 20}" / f"{number}"
        directory.mkdir(parents=True)
        for name in range(PER_DIRECTORY):
            size = int(sizes.paretovariate(1.2) * 800) % 65536
            (directory / f"file {name}").write_bytes(sizes.randbytes(size))


def make_large_file(root: Path, size: int = LARGE) -> None:
    root.mkdir()
    with (root / "file").open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))


SUBJECTS: dict[str, Callable[[Path], None]] = {"20,000 files": make_files, "1 GiB file": make_large_file}


def measure(root: Path, make: Callable[[Path], None], rounds: int) -> dict[str, list[float]]:
    """The seconds that each contender takes. A B B A: noise hits both alike, as does what the last one left."""
    source, target = root / "source", root / "target"
    make(source)
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for number in range(rounds + 1):
        for name in list(CONTENDERS)[:: 1 if number % 2 else -1]:
            os.sync()
            begun = time.perf_counter()
            CONTENDERS[name](str(source), str(target))
            taken = time.perf_counter() - begun
            shutil.rmtree(target)
            if number:  # the first round warms up
                seconds[name].append(taken)
    shutil.rmtree(source)
    return seconds


def cell(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms ({min(seconds) * 1000:.0f} to {max(seconds) * 1000:.0f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks copy", description="Measure copies side by side."
    )
    parser.add_argument("--rounds", type=int, default=10, help="how often each is run (default 10)")
    rounds = parser.parse_args(arguments).rounds
    table = Table(title=f"Copies, medians of {rounds} (least to most)")
    for heading in ("", *CONTENDERS, "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind in FORMAT:
        with file_system(kind) as root:
            for subject, make in SUBJECTS.items():
                seconds = measure(root, make, rounds)
                lamina, other = map(statistics.median, seconds.values())
                table.add_row(f"{kind}, {subject}", *map(cell, seconds.values()), f"{lamina / other:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
