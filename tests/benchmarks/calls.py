"""Scenarios of calls, from one caller and from many."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from tests.benchmarks.bench import Bench, Pair, Script, against_last
from tests.benchmarks.file_systems import file_system
from tests.benchmarks.grpc_go import compiled
from tests.benchmarks.load import Call, Snapshots
from tests.benchmarks.report import Aim, Row
from tests.benchmarks.sides import CONTAINERD, LAMINA, UNSYNCED, Side, running

SNAPSHOTTERS = (Snapshots("overlayfs"), Snapshots("native"))
CALLERS = (1, 16)
DEPTH = 16
"""Layers of an image."""


def pairs(bench: Bench) -> Iterator[Row]:
    """prepare and remove of empty snapshots"""
    for calls in SNAPSHOTTERS:
        with bench.running(LAMINA, CONTAINERD) as sides:
            pair = against_last(f"{calls.snapshotter}: prepare and remove", sides)
            for callers in CALLERS:
                yield from prepare_and_remove(bench, calls, pair, callers)


def prepare_and_remove(bench: Bench, calls: Snapshots, sides: Sequence[Pair], callers: int) -> Iterator[Row]:
    return bench.compare(
        sides,
        lambda number: [calls.prepare(f"own {number}"), calls.remove(f"own {number}")],
        callers=callers,
        operation="Remove",
        timed=("Prepare", "Remove"),
        unit="pairs/s",
        aims={LAMINA: Aim("at least", 1.5 if callers == 1 else 4)},
    )


def chains(bench: Bench) -> Iterator[Row]:
    """prepare and commit, 16 layers on each other"""
    for calls in SNAPSHOTTERS:

        def script(_: int, calls: Snapshots = calls) -> Script:
            names = [f"chain {bench.unique()}" for _ in range(bench.scale.chains)]
            return [one for name in names for one in calls.layers(name, DEPTH)]

        with bench.running(LAMINA, UNSYNCED, CONTAINERD) as sides:
            for callers in CALLERS:
                yield from bench.compare(
                    against_last(f"{calls.snapshotter}: prepare and commit", sides),
                    script,
                    callers=callers,
                    operation="Commit",
                    timed=("Prepare", "Commit"),
                    unit="layers/s",
                    aims=dict.fromkeys((LAMINA, UNSYNCED), Aim("at least", 1.5 if callers == 1 else 4)),
                    group=2,
                )


def views(bench: Bench) -> Iterator[Row]:
    """view and remove on a committed layer"""
    for calls in SNAPSHOTTERS:

        def script(number: int, calls: Snapshots = calls) -> Script:
            return [calls.view(f"own {number}", "layer-1"), calls.remove(f"own {number}")]

        with bench.running(LAMINA, CONTAINERD) as sides:
            for side in sides:
                bench.load.play(side.socket, [calls.layers("layer", 1)])
            for callers in CALLERS:
                yield from bench.compare(
                    against_last(f"{calls.snapshotter}: view and remove", sides),
                    script,
                    callers=callers,
                    operation="Remove",
                    timed=("View", "Remove"),
                    unit="pairs/s",
                )


def reads(bench: Bench) -> Iterator[Row]:
    """stat, and mounts on 16 and on 128 layers"""
    depths = (DEPTH, bench.scale.deep)
    for calls in SNAPSHOTTERS:
        with bench.running(LAMINA, CONTAINERD) as sides:
            for side in sides:
                bench.load.play(side.socket, [_stack(calls, depths)])
            for depth in depths:
                keys = [_key(depth, number) for number in range(max(CALLERS))]
                if depth == DEPTH:
                    yield from _read(bench, sides, f"{calls.snapshotter}: stat", keys, calls.stat)
                title = f"{calls.snapshotter}: mounts on {depth} layers"
                yield from _read(bench, sides, title, keys, calls.mounts)


def _stack(calls: Snapshots, depths: tuple[int, ...]) -> Script:
    """Layers, and for each caller a snapshot on so many of them."""
    numbers = range(max(CALLERS))
    active = [calls.prepare(_key(depth, number), f"layer-{depth}") for depth in depths for number in numbers]
    return [*calls.layers("layer", max(depths)), *active]


def _key(depth: int, number: int) -> str:
    return f"own {number} on {depth}"


def _read(
    bench: Bench, sides: list[Side], title: str, keys: list[str], call: Callable[[str], Call], ahead: float = 1
) -> Iterator[Row]:
    """Read by one caller and by many, who are to be answered so many times as fast."""
    method = call(keys[0]).method
    for callers in CALLERS:
        yield from bench.compare(
            against_last(title, sides),
            lambda number: [call(keys[number])],
            callers=callers,
            operation=method,
            timed=(method,),
            unit="ms" if callers == 1 else "calls/s",
            aims={LAMINA: Aim("at most", 1) if callers == 1 else Aim("at least", ahead)},
        )


def grpc_go(bench: Bench) -> Iterator[Row]:
    """prepare and remove, stat and mounts by grpc-go, which containerd has"""
    calls = Snapshots("overlayfs")
    with (
        tempfile.TemporaryDirectory(prefix="lamina-bench-") as directory,
        compiled(Path(directory, "load")) as load,
        bench.running(LAMINA, CONTAINERD) as sides,
    ):
        bench = attrs.evolve(bench, load=load)
        title = f"grpc-go {load.version}: overlayfs"
        for side in sides:
            load.play(side.socket, [_stack(calls, (DEPTH,))])
        keys = [_key(DEPTH, number) for number in range(max(CALLERS))]
        for name, call in {"stat": calls.stat, f"mounts on {DEPTH} layers": calls.mounts}.items():
            yield from _read(bench, sides, f"{title}: {name}", keys, call, ahead=1.2)
        pair = against_last(f"{title}: prepare and remove", sides)
        for callers in CALLERS:
            yield from prepare_and_remove(bench, calls, pair, callers)


def btrfs(bench: Bench) -> Iterator[Row]:
    """prepare, commit and remove on btrfs, metastores and all"""
    calls = Snapshots("btrfs")

    def script(number: int) -> Script:
        active, layer = f"making {number}", f"layer {number}"
        return [calls.prepare(active), calls.commit(layer, active), calls.remove(layer)]

    with (
        file_system("btrfs", bench.directory) as root,
        running((LAMINA, UNSYNCED, CONTAINERD), root) as sides,
    ):
        for callers in CALLERS:
            yield from bench.compare(
                against_last("btrfs: prepare, commit and remove", sides),
                script,
                callers=callers,
                operation="Remove",
                timed=("Prepare", "Commit", "Remove"),
                unit="layers/s",
            )
