"""How anything is measured: round after round, one side after the other."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import attrs

from tests.benchmarks.load import Call, Load, Played
from tests.benchmarks.report import Aim, Figures, Row, percentile
from tests.benchmarks.sides import LAMINA, Side, running

Script = Sequence[Call]
Result = TypeVar("Result")


@attrs.frozen
class Scale:
    """How much of everything."""

    rounds: int = 3
    warm_ups: int = 1
    """Rounds before those that count."""
    seconds: float = 0.5
    """How long callers call in a round."""
    calm: float = 0.06
    """For how many seconds nobody does anything before a measurement."""
    gigabytes: int = 24
    """The file system."""
    few: int = 1_000
    some: int = 10_000
    many: int = 100_000
    """Snapshots."""
    deep: int = 128
    """Layers."""
    chains: int = 25
    """Chains of layers that one caller can make in a round."""
    prepares: int = 3_000
    """By one caller, while another one commits."""
    files: int = 20_000
    large: int = 1 << 30
    """Bytes of a large file."""
    operations: int = 2_000
    """In one transaction."""
    boots: int = 10


FULL = Scale()
QUICK = Scale(
    rounds=1,
    warm_ups=0,
    seconds=0.02,
    calm=0,
    gigabytes=1,
    few=20,
    some=40,
    many=80,
    deep=18,
    chains=1,
    prepares=1_000,
    files=100,
    large=1 << 20,
    operations=50,
    boots=1,
)


@attrs.frozen
class Pair:
    """Two sides that make a row."""

    title: str
    lamina: Side
    other: Side


def against_last(title: str, sides: Sequence[Side]) -> list[Pair]:
    """Each side next to the last, which is containerd."""
    *laminas, containerd = sides
    return [Pair(title + variant(side), side, containerd) for side in laminas]


def variant(side: Side) -> str:
    """What makes a lamina another than the usual one, after a comma; nothing for the usual one."""
    return side.name.removeprefix(LAMINA)


@attrs.frozen
class Bench:
    """What a scenario measures with."""

    load: Load
    root: Path
    """Where both sides keep everything: a journaled ext4 of their own."""
    scale: Scale
    say: Callable[[str], None]
    """Tells what is being done."""
    directory: Path | None = None
    """Where another file system's image is made."""
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)

    def running(self, *names: str, started: bool = True) -> contextlib.AbstractContextManager[list[Side]]:
        """Daemons in the block."""
        return running(names, self.root, started=started)

    def unique(self) -> str:
        """A part of a key that no other has."""
        return f"{next(self._numbers)}"

    def rounds(self, sides: Sequence[Side], measure: Callable[[Side], Result]) -> dict[Side, list[Result]]:
        """Measure each side in each round, A B A B: noise hits all alike."""
        results: dict[Side, list[Result]] = {side: [] for side in sides}
        for number in range(self.scale.warm_ups + self.scale.rounds):
            for side in sides:
                self.settle(sides)
                result = measure(side)
                if number >= self.scale.warm_ups:
                    results[side].append(result)
        return results

    def settle(self, sides: Sequence[Side]) -> None:
        """Wait until nobody has anything left to do, and leave nothing unsynced."""
        for side in sides:
            side.settle(self.scale.calm)
        os.sync()

    def compare(
        self,
        pairs: Sequence[Pair],
        script: Callable[[int], Script],
        *,
        callers: int,
        operation: str,
        timed: Sequence[str],
        unit: str,
        aims: Mapping[str, Aim] | None = None,
        group: int = 0,
    ) -> Iterator[Row]:
        """Have callers call all sides: a row for each pair.

        Args:
            pairs: What is compared.
            script: What a caller calls, given its number; asked anew for each round.
            callers: How many.
            operation: The method of which there is one call in each operation.
            timed: The methods whose time is told.
            unit: Of the figures: `…/s` for how many operations are done in a second, `ms` for their median time.
            aims: By the name of lamina's side.
            group: As in `Load.play`.
        """
        self.say(f"{pairs[0].title}, {callers} at a time")
        sides = list(dict.fromkeys(side for pair in pairs for side in (pair.lamina, pair.other)))

        def window(side: Side) -> Played:
            scripts = [script(number) for number in range(callers)]
            return self.load.play(side.socket, scripts, seconds=self.scale.seconds, group=group)

        def figures(side: Side) -> Figures:
            each = played[side]
            return Figures(
                [
                    1000 * percentile(one.latencies(*timed), 0.5) if unit == "ms" else one.rate(operation)
                    for one in each
                ],
                percentiles([seconds for one in each for seconds in one.latencies(*timed)]),
                syncs[side],
                max(one.client_seconds / one.seconds for one in each) / (os.cpu_count() or 1),
            )

        played = self.rounds(sides, window)
        syncs = {side: _syncs(side, window, operation) for side in sides}
        for pair in pairs:
            title = f"{pair.title}, {callers} at a time"
            aim = (aims or {}).get(pair.lamina.name)
            yield Row(title, unit, figures(pair.lamina), figures(pair.other), aim)


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """As in `Figures.latencies`."""
    return percentile(seconds, 0.5), percentile(seconds, 0.99)


def _syncs(side: Side, window: Callable[[Side], Played], operation: str) -> float:
    with side.counting_syncs() as count:
        played = window(side)
    return count() / len(played.ended[operation])
