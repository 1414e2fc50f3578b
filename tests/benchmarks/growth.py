"""Scenarios of many snapshots: one population that grows on each side, and what is measured on the way."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

import attrs

from lamina.client import Client
from tests.benchmarks.bench import Bench, Pair, against_last
from tests.benchmarks.calls import CALLERS, prepare_and_remove
from tests.benchmarks.load import NAMESPACE, VERSION, Snapshots
from tests.benchmarks.report import Aim, Figures, Row
from tests.benchmarks.sides import CONTAINERD, LAMINA, Side

FILLERS = 16


def boot(bench: Bench) -> Iterator[Row]:
    """from exec to the first answer, and the memory that is then taken, with up to 1,000 snapshots"""
    few = bench.scale.few
    with bench.running(LAMINA, CONTAINERD, started=False) as sides:
        yield _boot(bench, sides, "boot to first answer, empty")
        _restart(sides)
        yield _memory(bench, sides, "memory after boot", 60)
        _restart(sides, filling=True)
        _fill(bench, Snapshots("overlayfs"), sides, range(few))
        for side in sides:
            side.stop()
        yield _boot(bench, sides, f"boot to first answer, {few:,} snapshots")
        _restart(sides)
        yield _memory(bench, sides, f"memory after boot, {few:,} snapshots", 60)


def _boot(bench: Bench, sides: Sequence[Side], title: str) -> Row:
    bench.say(title)
    milliseconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(bench.scale.warm_ups + bench.scale.boots):
        for side in sides:
            os.sync()  # what was written before must not be written meanwhile
            seconds = _seconds_to_answer(bench, side)
            side.stop()
            if number >= bench.scale.warm_ups:
                milliseconds[side.name].append(1000 * seconds)
    return Row(title, "ms", *map(Figures, milliseconds.values()), Aim("at most", 200, "lamina"))


def _seconds_to_answer(bench: Bench, side: Side) -> float:
    """A caller waits for the socket before the daemon is started."""
    with bench.load.client(side.socket, [[VERSION]]) as caller:
        caller.go()
        began = time.monotonic()
        side.start()
        (answered,) = caller.result().ended["Version"]
        return answered - began


def growth(bench: Bench, snapshotter: str = "overlayfs") -> Iterator[Row]:
    """list, boot, memory and prepare with up to 100,000 snapshots of overlayfs"""
    calls = Snapshots(snapshotter)
    few, some, many = bench.scale.few, bench.scale.some, bench.scale.many
    with (
        bench.running(LAMINA, CONTAINERD, started=False) as sides,
        bench.running(LAMINA, CONTAINERD) as others,
    ):
        _restart(sides, filling=True)
        _fill(bench, calls, sides, range(some))
        yield _memory(bench, sides, f"{snapshotter}: memory when {some:,} were prepared", 85)
        for side in sides:
            bench.load.play(side.socket, [[calls.list()]])
            _check_list(side, snapshotter, some)
        yield _memory(bench, sides, f"{snapshotter}: memory when {some:,} were listed", 89)

        _restart(sides)
        for callers in CALLERS:
            yield from _list(bench, calls, sides, some, callers)

        _restart(sides, filling=True)
        _fill(bench, calls, sides, range(some, many))
        yield _memory(bench, sides, f"{snapshotter}: memory when {many:,} were prepared")
        for side in sides:
            side.stop()

        yield _boot(bench, sides, f"{snapshotter}: boot to first answer, {many:,} snapshots")
        _restart(sides)
        yield _memory(bench, sides, f"{snapshotter}: memory after boot, {many:,} snapshots")
        yield from _list(bench, calls, sides, many, callers=1)

        _fill(bench, calls, others, range(few))
        title = f"{snapshotter}: prepare and remove beside"
        pairs = [Pair(f"{title} {few:,}", *others), Pair(f"{title} {many:,}", *sides)]
        for callers in CALLERS:
            before, after = prepare_and_remove(bench, calls, pairs, callers)
            yield attrs.evolve(before, aim=None)
            yield attrs.evolve(after, aim=None)
            yield _cost(before, after)


def growth_of_native(bench: Bench) -> Iterator[Row]:
    """the same with snapshots of native"""
    yield from growth(bench, "native")


def _restart(sides: Sequence[Side], *, filling: bool = False) -> None:
    for side in sides:
        side.stop()
        # lamina makes so few sync calls that to trace it costs more than they do.
        side.start(syncs=not filling or side.name == LAMINA)
        side.wait_until_ready()


def _fill(bench: Bench, calls: Snapshots, sides: Sequence[Side], numbers: range) -> None:
    for side in sides:
        bench.say(f"preparing up to {numbers.stop:,} in {side.name}")
        shares = [numbers[first::FILLERS] for first in range(FILLERS)]
        bench.load.play(side.socket, [[calls.prepare(f"kept {number}") for number in share] for share in shares])


def _memory(bench: Bench, sides: Sequence[Side], title: str, aim: float | None = None) -> Row:
    bench.settle(sides)
    figures = (Figures([side.resident / 2**20]) for side in sides)
    return Row(title, "MiB", *figures, Aim("at most", aim, "lamina") if aim else None)


def _check_list(side: Side, snapshotter: str, number: int) -> None:
    """That all are there, which a caller does not look at."""
    with Client(str(side.socket), namespace=NAMESPACE) as client:
        found = sum(1 for _ in client.snapshotter(snapshotter).walk())
    if found != number:
        raise SystemExit(f"{side.name} lists {found:,} snapshots instead of {number:,}")


def _list(bench: Bench, calls: Snapshots, sides: Sequence[Side], number: int, callers: int) -> Iterator[Row]:
    return bench.compare(
        against_last(f"{calls.snapshotter}: list of {number:,}", sides),
        lambda _: [calls.list()],
        callers=callers,
        operation="List",
        timed=("List",),
        unit="ms",
        aims={LAMINA: Aim("at most", 0.5)} if callers == 1 else None,
    )


def _cost(before: Row, after: Row) -> Row:
    """How much more an operation costs among many than among few."""

    def cost(few: Figures, many: Figures) -> Figures:
        return Figures([one / other for one, other in zip(few.each, many.each, strict=True)])

    costs = cost(before.lamina, after.lamina), cost(before.other, after.other)
    return Row(f"{after.title}: its cost over the last", "times", *costs, Aim("at most", 1.1, "lamina"))
