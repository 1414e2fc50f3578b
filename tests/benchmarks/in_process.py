"""The metastore by itself, without a server, next to bbolt, in which containerd keeps its metadata."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from lamina.snapshots import Kind, Usage
from lamina.snapshots.storage import Keyspace, MetaStore
from tests.benchmarks.bench import Bench
from tests.benchmarks.report import Figures, Row

BBOLT = {
    "a read transaction": 0.38,
    "a durable write transaction": 281,
    "create, in an open transaction": 5.6,
    "stat, in an open transaction": 1.05,
    "commit, in an open transaction": 8.0,
    "remove, in an open transaction": 3.2,
}
"""Microseconds, seen of bbolt with records like containerd's, in a program in Go on 2 processors."""


def metastore(bench: Bench) -> Iterator[Row]:
    """the metastore's own operations, in process"""
    bench.say("the metastore by itself")
    with contextlib.closing(MetaStore.open(str(bench.root / "metastore"))) as store:
        space = store.snapshotter("overlayfs").keyspace("benchmark")
        rounds = [_round(space, bench.scale.operations) for _ in range(bench.scale.rounds)]
    for what, other in BBOLT.items():
        each = [microseconds[what] for microseconds in rounds]
        yield Row(f"in process: {what}; the other is bbolt", "µs", Figures(each), Figures([other] * len(each)))


def _round(space: Keyspace, number: int) -> dict[str, float]:
    """Microseconds of each operation: what it does in LMDB and in Python, without threads or files."""
    environment = space._environment
    names = [f"snapshot {n}" for n in range(number)]
    layers = [f"layer {n}" for n in range(number)]
    drafts = [space.draft(Kind.ACTIVE, name, "", {}) for name in names]

    def inside(operation: Callable[[Any, int], object]) -> float:
        return environment.write(lambda transaction: _microseconds(lambda n: operation(transaction, n), number))

    def stat(transaction: Any, n: int) -> object:
        table = space._table
        return table.get(transaction, table.number(transaction, create=True), names[n].encode())

    return {
        "a read transaction": _microseconds(lambda _: environment.read(lambda _: None), number),
        "a durable write transaction": _microseconds(
            lambda n: environment.write(lambda transaction: transaction.put(b"benchmark", b"%d" % n)), number
        ),
        "create, in an open transaction": inside(lambda transaction, n: space._create(transaction, drafts[n])),
        "stat, in an open transaction": inside(stat),
        "commit, in an open transaction": inside(
            lambda transaction, n: space._commit(transaction, layers[n], drafts[n], {}, "", Usage())
        ),
        "remove, in an open transaction": inside(
            lambda transaction, n: space._remove(transaction, layers[n].encode())
        ),
    }


def _microseconds(operation: Callable[[int], object], number: int) -> float:
    began = time.perf_counter()
    for n in range(number):
        operation(n)
    return (time.perf_counter() - began) / number * 1e6
