"""What the check of a metastore costs, and a start with it: `python -m tests.benchmarks.check`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lamina.client import Client
from lamina.snapshots import Info, Kind
from lamina.snapshots.storage import Keyspace, MetaStore, Record
from lamina.store._environment import Transaction
from lamina.store._startup_checks import CLOSED, Checks
from tests.benchmarks.metrics import LABELS, add
from tests.benchmarks.sides import LAMINA, Side, running

COUNTS, BATCH, LAYERS = (1_000, 10_000, 100_000), 1_000, 10
NAME = f"k8s.io/{{}}/sha256:{'cd' * 32}"


def fill(path: Path, count: int) -> None:
    """Store chains of snapshots. No plugin has their snapshotter, so that a start does nothing else for them."""
    with contextlib.closing(MetaStore.open(str(path))) as store:
        snapshotter = store.snapshotter("measured")
        ids = [snapshotter.reserve_id() for _ in range(count)]
        for first in range(0, count, BATCH):
            some = functools.partial(create, snapshotter.keyspace("measured"), ids[first : first + BATCH])
            store._environment.write(some)


def create(keyspace: Keyspace, ids: Sequence[int], transaction: Transaction) -> None:
    for at, id_ in enumerate(ids):
        chain = tuple(reversed(ids[at - at % LAYERS : at]))
        kind = Kind.COMMITTED if at % LAYERS < LAYERS - 1 else Kind.ACTIVE
        info = Info(NAME.format(id_), kind, NAME.format(chain[0]) if chain else "", LABELS)
        keyspace._create(transaction, Record(id=id_, info=info, parent_ids=chain))


def checking(path: Path, *, crashed: bool) -> float:
    """Milliseconds of processor time that the check takes before anything is served, all processes together."""
    closed = Checks(str(path), MetaStore.entry_check)
    closed._interrupted = None if crashed else 0
    closed.mark_closed()
    if crashed:
        (path / CLOSED).unlink(missing_ok=True)
    began = processor_time()
    assert Checks(str(path), MetaStore.entry_check).check() == []
    return (processor_time() - began) * 1000


def processor_time() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def booting(side: Side, *, crashed: bool) -> float:
    """Milliseconds from exec to the first answer. What has been started ends as that before it did."""
    began = time.monotonic()
    side.start()
    side.wait_until_ready()
    with Client(str(side.socket)) as client:
        client.server()
    took = time.monotonic() - began
    if crashed:
        side.kill()
    else:
        while side.has_children():  # what is left of the check, which a stop would interrupt
            time.sleep(0.01)
        side.stop()
    return took * 1000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks check", description="Measure what the check of a metastore costs."
    )
    parser.add_argument("--rounds", type=int, default=10, help="how often each is measured (default 10)")
    rounds = parser.parse_args(arguments).rounds
    table = Table("milliseconds", "median", "least", "most")
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as root, running([LAMINA], Path(root), started=False) as (side,):
            path = side.directory / "root/io.lamina.metastore.v1.lmdb"
            path.mkdir(parents=True, mode=0o700)
            fill(path, count)
            for crashed, end in ((True, "kill"), (False, "stop")):
                took = [checking(path, crashed=crashed) for _ in range(rounds)]
                add(table, f"{count:,} after a {end}: check (CPU)", took)
                took = [booting(side, crashed=crashed) for _ in range(rounds + 1)][1:]
                add(table, f"{count:,} after a {end}: boot", took)
    Console().print(table)


if __name__ == "__main__":
    main()
