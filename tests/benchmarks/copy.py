"""How long `lamina.fs.copy_tree` takes next to `cp -a --reflink=auto`: `python -m tests.benchmarks.copy`, as root.

Each is measured on file systems made for it: an old one's free space and lately removed inodes slow down one
copy more than the next. What is read is in memory, and nothing is waited for to be on disk. The program's time is
that of its process from exec to exit; the function runs in a process that is there, as it does in a host.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lamina.fs import copy_tree

FILES, DIRECTORIES = 20_000, 200
LARGE = 1 << 30
"""Bytes."""
IMAGE = 8 << 30
"""Bytes of a file system, in a sparse file."""
FORMAT = {"ext4": ("mkfs.ext4", "-q"), "btrfs": ("mkfs.btrfs", "--quiet")}
ENVIRONMENT = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}


def cp(source: str, target: str) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


CONTENDERS: dict[str, Callable[[str, str], None]] = {"lamina": copy_tree, "cp -a": cp}


def make_files(root: Path) -> None:
    """Files as they are in an image: most of them small, 100 in a directory, two levels down."""
    sizes = random.Random(1)
    for number in range(DIRECTORIES):
        directory = root / f"{number % 20}" / f"{number}"
        directory.mkdir(parents=True)
        for name in range(FILES // DIRECTORIES):
            size = int(sizes.paretovariate(1.2) * 800) % 65536
            (directory / f"file {name}").write_bytes(sizes.randbytes(size))


def make_large_file(root: Path) -> None:
    root.mkdir()
    with (root / "file").open("wb") as file:
        for _ in range(LARGE >> 20):
            file.write(os.urandom(1 << 20))


SUBJECTS: dict[str, Callable[[Path], None]] = {"20,000 files": make_files, "1 GiB file": make_large_file}


@contextlib.contextmanager
def file_system(kind: str) -> Iterator[Path]:
    """A new file system, mounted in the block."""
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as directory:
        image, mountpoint = Path(directory, "image"), Path(directory, "mountpoint")
        image.touch()
        os.truncate(image, IMAGE)
        mountpoint.mkdir()
        subprocess.run([*FORMAT[kind], image], check=True, env=ENVIRONMENT, capture_output=True)
        subprocess.run(["mount", "-t", kind, "-o", "loop", image, mountpoint], check=True, env=ENVIRONMENT)
        try:
            yield mountpoint
        finally:
            subprocess.run(["umount", mountpoint], check=True, env=ENVIRONMENT)


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


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure copies side by side.")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is run (default 10)")
    run(parser.parse_args().rounds)


def run(rounds: int) -> None:
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
