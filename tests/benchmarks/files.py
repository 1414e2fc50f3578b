"""Scenarios of snapshots with many files or large ones: their users, and everybody else."""

from __future__ import annotations

import functools
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lamina.client import Client
from tests.benchmarks.bench import Bench, Script, against_last, percentiles
from tests.benchmarks.copy import cp, make_files, make_large_file
from tests.benchmarks.load import NAMESPACE, Played, Snapshots, merged
from tests.benchmarks.report import Aim, Figures, Row
from tests.benchmarks.sides import CONTAINERD, LAMINA, UNSYNCED, Side


def neighbours(bench: Bench) -> Iterator[Row]:
    """usage and commit of 20,000 files while another client prepares"""
    calls = Snapshots("overlayfs")

    def alone(side: Side) -> Played:
        return bench.load.play(side.socket, [_prepares(bench, calls)], seconds=bench.scale.seconds, group=1)

    with bench.running(LAMINA, UNSYNCED, CONTAINERD) as sides:
        bench.say("prepare, alone")
        usual = {
            side: percentiles(_together(each, "Prepare"))[1] for side, each in bench.rounds(sides, alone).items()
        }
        bench.say(f"usage and commit of {bench.scale.files:,} files")
        busy = bench.rounds(sides, lambda side: _busy(bench, calls, side))
    files = f"{bench.scale.files:,} files"
    for pair in against_last("overlayfs", sides):
        both = (pair.lamina, pair.other)
        yield Row(
            f"{pair.title}: longest prepare beside usage and commit of {files}",
            "ms",
            *(_waits(busy[side]) for side in both),
        )
        yield Row(
            f"{pair.title}: the same over its own p99 when alone",
            "times",
            *(Figures([max(_beside(one)) / usual[side] for one in busy[side]]) for side in both),
            Aim("at most", 2, "lamina") if pair.lamina.name == UNSYNCED else None,
        )
        for method in ("Usage", "Commit"):
            milliseconds = (Figures([1000 * one for one in _together(busy[side], method)]) for side in both)
            yield Row(f"{pair.title}: {method.lower()} of {files}", "ms", *milliseconds)


def _busy(bench: Bench, calls: Snapshots, side: Side) -> Played:
    """What two callers did, of whom one asks for the usage of a snapshot with many files and commits it."""
    active = f"active {bench.unique()}"
    _make(bench, calls, side, active, functools.partial(make_files, files=bench.scale.files))
    if side.name != LAMINA:
        os.sync()  # only a commit that syncs is to pay for what is unsynced
    heavy = [calls.usage(active), calls.commit(f"layer of {active}", active)]
    with (
        bench.load.client(side.socket, [heavy]) as one,
        bench.load.client(side.socket, [_prepares(bench, calls)]) as other,
    ):
        for caller in (one, other):
            caller.wait_until_ready()
        for caller in (other, one):
            caller.go()
        done = one.result()
        other.stop()
        return merged([done, other.result()])


def _prepares(bench: Bench, calls: Snapshots) -> Script:
    """More than anybody makes while another one commits."""
    name = f"other {bench.unique()}"
    return [calls.prepare(f"{name} {number}") for number in range(bench.scale.prepares)]


def _beside(played: Played) -> list[float]:
    """The seconds of each prepare that was under way at the same time as usage or commit.

    If none was, because its caller did not run meanwhile, as on a busy machine: those of the last prepare.
    """
    (begun,), (ended,) = played.begun["Usage"], played.ended["Commit"]
    each = list(zip(played.begun["Prepare"], played.ended["Prepare"], strict=True))
    beside = [(first, last) for first, last in each if last > begun and first < ended]
    return [last - first for first, last in beside or each[-1:]]


def _waits(each: Sequence[Played]) -> Figures:
    waits = [_beside(played) for played in each]
    return Figures([1000 * max(some) for some in waits], percentiles([one for some in waits for one in some]))


def _together(each: Sequence[Played], method: str) -> list[float]:
    return [seconds for played in each for seconds in played.latencies(method)]


def copies(bench: Bench) -> Iterator[Row]:
    """prepare of native on 20,000 files and on 1 GiB, next to containerd and to cp"""
    makers: dict[str, Callable[[Path], None]] = {
        f"{bench.scale.files:,} files": functools.partial(make_files, files=bench.scale.files),
        f"{bench.scale.large >> 20:,} MiB": functools.partial(make_large_file, size=bench.scale.large),
    }
    calls = Snapshots("native")
    with bench.running(LAMINA, UNSYNCED, CONTAINERD) as sides:
        for parent, make in makers.items():
            bench.say(f"making {parent}")
            sources = [_make(bench, calls, side, f"making {parent}", make) for side in sides]
            for side in sides:
                bench.load.play(side.socket, [[calls.commit(parent, f"making {parent}")]])
            by_side, by_cp = _copies(bench, calls, sides, parent, sources[0])
            for pair in against_last("native", sides):
                title = f"{pair.title}: prepare on {parent}"
                lamina = Figures(by_side[pair.lamina])
                yield Row(title, "ms", lamina, Figures(by_side[pair.other]))
                yield Row(f"{title}; the other is cp -a --reflink=auto", "ms", lamina, Figures(by_cp))


def _copies(
    bench: Bench, calls: Snapshots, sides: Sequence[Side], parent: str, source: Path
) -> tuple[dict[Side, list[float]], list[float]]:
    """The milliseconds of each prepare on a parent, and of cp."""
    bench.say(f"copying {parent}")
    by_cp: list[float] = []

    def measure(side: Side) -> float:
        (seconds,) = bench.load.play(side.socket, [[calls.prepare("copy", parent)]]).latencies("Prepare")
        bench.load.play(side.socket, [[calls.remove("copy")]])
        if side is sides[-1]:
            bench.settle(sides)
            by_cp.append(1000 * _seconds_of_cp(source, bench.root / "copy"))
        return 1000 * seconds

    return bench.rounds(sides, measure), by_cp[bench.scale.warm_ups :]


def _seconds_of_cp(source: Path, target: Path) -> float:
    began = time.monotonic()
    cp(str(source), str(target))
    seconds = time.monotonic() - began
    shutil.rmtree(target)
    return seconds


def _make(bench: Bench, calls: Snapshots, side: Side, key: str, make: Callable[[Path], None]) -> Path:
    """Prepare a snapshot without a parent, and make files in it; returns where they are."""
    bench.load.play(side.socket, [[calls.prepare(key)]])
    with Client(str(side.socket), namespace=NAMESPACE) as client:
        (mount,) = client.snapshotter(calls.snapshotter).mounts(key)
    make(Path(mount.source, "tree"))
    return Path(mount.source)
