"""What `sync_fs = true` costs: how long a commit of the overlay snapshotter takes with it and without.

Run with `python -m tests.benchmarks.sync` as root. Everything is on an ext4 with a journal, in an image file that
is mounted through a loop device.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from lamina.fs import FileSystemSync
from lamina.plugins.snapshots.overlay import OverlayBackend, probe
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore
from tests.benchmarks.file_systems import file_system, require_disk

FILE_SIZE = 4096
COUNTS = (1, 100, 10_000)
SETTINGS = (True, False)

Times = dict[tuple[int, bool], list[float]]
"""Seconds of each commit, by the number of files in the layer and `sync_fs`."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks sync",
        description="Measure commits with and without sync_fs, on a journaled ext4.",
    )
    parser.add_argument("--rounds", type=int, default=10, help="commits of each kind (default 10)")
    parser.add_argument(
        "--directory", type=Path, help="where the image is made (default: that of temporary files)"
    )
    options = parser.parse_args(arguments)
    require_disk(options.directory)
    with file_system("ext4", options.directory) as root:
        times = measure(root, options.rounds)
    Console().print(table(times, options.rounds))


def measure(root: Path, rounds: int) -> Times:
    times: Times = {(count, sync_fs): [] for count in COUNTS for sync_fs in SETTINGS}
    store = MetaStore.open(str(root / "metastore"))
    with contextlib.closing(store), contextlib.closing(FileSystemSync(str(root))) as everything:
        snapshotters = {sync_fs: open_snapshotter(root, store, sync_fs) for sync_fs in SETTINGS}
        with contextlib.ExitStack() as stack:
            for snapshotter in snapshotters.values():
                stack.callback(snapshotter.close)
            kinds = [kind for _ in range(rounds) for kind in times]  # A B A B: noise hits both alike
            console = Console(stderr=True)
            for count, sync_fs in track(kinds, "committing", console=console, disable=not sys.stderr.isatty()):
                snapshotter = snapshotters[sync_fs]
                (mount,) = snapshotter.prepare("layer")
                everything.sync()  # nobody pays for what others left unsynced
                write_files(mount.source, count)
                started = time.perf_counter()
                snapshotter.commit("done", "layer")
                times[count, sync_fs].append(time.perf_counter() - started)
                snapshotter.remove("done")
                snapshotter.cleanup()
    return times


def open_snapshotter(root: Path, store: MetaStore, sync_fs: bool) -> LocalSnapshotter:
    name = f"sync-{sync_fs}"
    data = root / name
    data.mkdir()
    backend = OverlayBackend(str(data), options=probe(str(data), (), remap_ids=False)[0])
    return LocalSnapshotter.open(backend, store.snapshotter(name), sync_fs=sync_fs)


def write_files(directory: str, count: int) -> None:
    content = os.urandom(FILE_SIZE)
    for number in range(count):
        Path(directory, f"file{number}").write_bytes(content)


def table(times: Times, rounds: int) -> Table:
    table = Table(title=f"Milliseconds to commit {FILE_SIZE}-byte files, medians of {rounds}")
    for column in ("files", "sync_fs = true", "sync_fs = false", "difference"):
        table.add_column(column, justify="right")
    for count in COUNTS:
        each = [[seconds * 1000 for seconds in times[count, sync_fs]] for sync_fs in SETTINGS]
        medians = [statistics.median(column) for column in each]
        cells = [
            f"{median:.1f} ({min(column):.1f} to {max(column):.1f})"
            for median, column in zip(medians, each, strict=True)
        ]
        table.add_row(f"{count:,}", *cells, f"{medians[0] - medians[1]:.1f}")
    return table


if __name__ == "__main__":
    main()
