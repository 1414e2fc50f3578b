"""lamina next to containerd, over the same calls on the same file system: `python -m tests.benchmarks compare`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.benchmarks import report
from tests.benchmarks.bench import FULL, QUICK, Bench, Scale
from tests.benchmarks.calls import CALLERS, btrfs, chains, grpc_go, pairs, reads, views
from tests.benchmarks.file_systems import PATH, file_system, require_disk
from tests.benchmarks.files import copies, neighbours
from tests.benchmarks.growth import boot, growth, growth_of_native
from tests.benchmarks.grpc_go import PACKAGES, is_installed
from tests.benchmarks.in_process import metastore
from tests.benchmarks.load import Load, compiled
from tests.support.interop.releases import SUITES, release

SCENARIOS: dict[str, Callable[[Bench], Iterator[report.Row]]] = {
    "pairs": pairs,
    "chains": chains,
    "views": views,
    "reads": reads,
    "grpc-go": grpc_go,
    "boot": boot,
    "growth": growth,
    "growth-of-native": growth_of_native,
    "neighbours": neighbours,
    "copies": copies,
    "btrfs": btrfs,
    "metastore": metastore,
}
DEFAULT = tuple(name for name in SCENARIOS if name != "growth-of-native")
"""The other takes minutes more and tells little more."""
PROGRAMS = {
    "cc": "gcc libc6-dev",
    "containerd": "containerd",
    "mkfs.btrfs": "btrfs-progs",
    "mkfs.ext4": "e2fsprogs",
    "strace": "strace",
}
"""What must be installed, and Debian's packages of it."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    if options.containerd:  # before the machine's own, for all that is run
        os.environ["PATH"] = f"{release(options.containerd).programs}:{os.environ['PATH']}"
    path = f"{os.environ['PATH']}:{PATH}"
    if missing := [package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)]:
        raise SystemExit(f"something is missing; on Debian: apt-get install {' '.join(missing)}")
    names = [name for name in options.scenario if name != "grpc-go" or is_installed()]
    if len(names) < len(options.scenario):
        print(f"grpc-go is left out; on Debian: apt-get install {PACKAGES}", file=sys.stderr)
    if not options.quick:
        require_disk(options.directory)
    if options.markdown:
        _parts(options.markdown)  # before minutes have gone by

    scale = QUICK if options.quick else FULL
    scale = attrs.evolve(scale, rounds=options.rounds or scale.rounds)
    machine = report.describe_machine() | {"rounds": f"{scale.rounds}, of {scale.seconds} s where calls repeat"}
    before = _load_average()
    rows, client = measure(names, scale, options.directory)
    machine |= {"load average": f"{before} before, {_load_average()} after", "client": client}

    options.json.write_text(report.to_json(rows, machine))
    if options.markdown:
        start, _, end = _parts(options.markdown)
        options.markdown.write_text(start + report.markdown(rows, machine) + end)
    console = Console(width=None if sys.stdout.isatty() else 240)
    console.print(report.table(rows))
    for name, value in {**machine, "every figure": f"{options.json}"}.items():
        console.print(f"{name}: {value}", highlight=False, soft_wrap=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks compare",
        description=__doc__,
        epilog="scenarios:\n" + "\n".join(f"  {name:18}{run.__doc__}" for name, run in SCENARIOS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        *("--scenario", "-s"),
        nargs="+",
        metavar="NAME",
        choices=SCENARIOS,
        default=DEFAULT,
        help="which of those below (default: all but growth-of-native)",
    )
    parser.add_argument(
        "--containerd",
        metavar="SUITE",
        choices=SUITES,
        help=f"the containerd of a Debian suite ({', '.join(SUITES)}), as the tests fetch it (default: PATH's)",
    )
    parser.add_argument("--rounds", type=int, help=f"how often each side is measured (default {FULL.rounds})")
    parser.add_argument(
        "--quick", action="store_true", help="so little of everything that it only shows that it runs"
    )
    parser.add_argument(
        "--directory", type=Path, help="on a disk, for the image (default: that of temporary files)"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        default=Path("benchmark.json"),
        help="for every figure (benchmark.json)",
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="whose table is renewed, between its markers"
    )
    return parser.parse_args(arguments)


def measure(names: Sequence[str], scale: Scale, directory: Path | None) -> tuple[report.Rows, str]:
    """Run scenarios one after the other; returns also whether the client could have been what was measured."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    rows: dict[str, list[report.Row]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="lamina-bench-") as temporary,
        file_system("ext4", directory, scale.gigabytes) as root,
        compiled(Path(temporary, "load")) as load,
        progress,
    ):
        task = progress.add_task("")
        for number, name in enumerate(names, 1):

            def say(what: str, prefix: str = f"{number}/{len(names)} {name}") -> None:
                progress.update(task, description=f"{prefix}: {what}")

            rows[name] = list(SCENARIOS[name](Bench(load, root, scale, say, directory)))
        return rows, _check_client(load, rows, scale)


def _check_client(load: Load, rows: report.Rows, scale: Scale) -> str:
    """What the callers can do when nobody has to be waited for, and how much of the machine they took."""
    rates = [f"{load.capacity(callers, scale.seconds):,.0f} calls/s with {callers}" for callers in CALLERS]
    each = [row for some in rows.values() for row in some]
    shares = {side.client: row.title for row in each for side in (row.lamina, row.other) if side.client}
    taken = f"; took at most {max(shares):.0%} of the processors ({shares[max(shares)]})" if shares else ""
    return f"alone {' and '.join(rates)} at a time{taken}"


def _load_average() -> str:
    return f"{os.getloadavg()[0]:.2f}"


def _parts(file: Path) -> tuple[str, str, str]:
    """What is up to the one marker of a file, between, and from the other on."""
    begin, end = "<!-- benchmark -->\n", "<!-- /benchmark -->"
    before, found, rest = file.read_text().partition(begin)
    between, ended, after = rest.partition(end)
    if not found or not ended:
        raise SystemExit(f"{file} has no lines {begin.strip()} and {end} to put the table between")
    return before + begin, between, end + after


if __name__ == "__main__":
    main()
