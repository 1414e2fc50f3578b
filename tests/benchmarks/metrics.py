"""What metrics cost: `python -m tests.benchmarks.metrics`. A reading of many snapshots, and counting one call."""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
import timeit
from collections.abc import Sequence

from prometheus_client import generate_latest
from rich.console import Console
from rich.table import Table

from lamina.api import Method
from lamina.api.messages.empty_pb2 import Empty
from lamina.context import CallContext
from lamina.errdefs import Code
from lamina.plugin import Plugin, PluginType
from lamina.plugins.servers.grpc._call_metrics import CallMetrics
from lamina.plugins.servers.metrics._collector import registry_of
from lamina.snapshots import Info, Kind
from lamina.snapshots.storage import Keyspace, MetaStore, Record
from lamina.steps import run
from lamina.store._environment import Transaction

SNAPSHOTS, BATCH = 100_000, 10_000
CALLS = 200_000
LABELS = {"containerd.io/snapshot.ref": f"sha256:{'ab' * 32}"}


def fill(keyspace: Keyspace, first: int, transaction: Transaction) -> None:
    """Store snapshots in one commit: one each would take minutes."""
    for number in range(first, first + BATCH):
        name = f"k8s.io/{number}/sha256:{'cd' * 32}"
        keyspace._create(transaction, Record(id=number + 1_000_000, info=Info(name, Kind.ACTIVE, "", LABELS)))


def readings(store: MetaStore, keyspace: Keyspace, rounds: int, *, change: bool) -> list[float]:
    """Milliseconds that readings took, after a change each or without any."""
    registry = registry_of(lambda: [Plugin(type=PluginType.METASTORE, id="lmdb", instance=store)])
    generate_latest(registry)
    taken = []
    for number in range(rounds):
        if change:
            run(keyspace.create(keyspace.draft(Kind.ACTIVE, f"new {number}", "", {})))
        began = time.perf_counter()
        generate_latest(registry)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def counting(rounds: int) -> list[float]:
    """Microseconds that it took to count one call, from its begin to its end."""
    path = "/test.Test/Stat"
    calls, context = (
        CallMetrics({path: Method("Stat", Empty, lambda _: Empty())}),
        CallContext(tags={"snapshotter": "lamina"}),
    )

    def count() -> None:
        began = time.perf_counter()
        calls.begin(path)
        calls.end(path, context, Code.OK, began)

    return [seconds / CALLS * 1e6 for seconds in timeit.repeat(count, number=CALLS, repeat=rounds)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks metrics", description="Measure what metrics cost."
    )
    parser.add_argument("--rounds", type=int, default=10, help="how often each is measured (default 10)")
    rounds = parser.parse_args(arguments).rounds
    table = Table("what", "median", "least", "most")
    with tempfile.TemporaryDirectory() as directory:
        store = MetaStore.open(directory)
        try:
            keyspace = store.snapshotter("overlayfs").keyspace("lamina")
            for first in range(0, SNAPSHOTS, BATCH):
                store._environment.write(functools.partial(fill, keyspace, first))
            for change, what in ((True, "the store has changed"), (False, "it has not")):
                taken = readings(store, keyspace, rounds, change=change)
                add(table, f"ms to read, {SNAPSHOTS:,} snapshots, {what}", taken)
        finally:
            store.close()
    add(table, "µs to count a call", counting(rounds))
    Console().print(table)


def add(table: Table, what: str, numbers: list[float]) -> None:
    shown = (statistics.median(numbers), min(numbers), max(numbers))
    table.add_row(what, *(f"{number:.2f}" for number in shown))


if __name__ == "__main__":
    main()
