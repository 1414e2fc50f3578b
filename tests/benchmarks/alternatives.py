"""The cost of the alternatives in `docs/design.md`: `python -m tests.benchmarks alternatives`."""

from __future__ import annotations

import argparse
import asyncio
import os
import queue
import sqlite3
import tempfile
import threading
import timeit
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import lmdb

VALUE = 150
"""Bytes of a record of a snapshot with a few labels."""
RECORDS = 10_000
ROUNDS = 15


def least(function: Callable[[], object], times: int) -> float:
    """The least microseconds that a call took, of several rounds of calls."""
    return min(timeit.repeat(function, number=times, repeat=ROUNDS)) / times * 1e6


def hand_over() -> Iterator[tuple[str, float]]:
    """Give a piece of work to what does it, and get the result back."""
    endless = iter(int, 1)
    steps = (number for number in endless)
    yield "a step of a generator", least(lambda: next(steps), 10_000)
    asked: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    answered: queue.SimpleQueue[int] = queue.SimpleQueue()

    def answer() -> None:
        while (number := asked.get()) is not None:
            answered.put(number)

    def ask() -> None:
        asked.put(1)
        answered.get()

    threading.Thread(target=answer, daemon=True).start()
    yield "another thread and back", least(ask, 1_000)
    asked.put(None)
    yield "a task of asyncio", asyncio.run(_in_loop(lambda: asyncio.create_task(asyncio.sleep(0))))
    yield "run_in_executor of asyncio", asyncio.run(_in_loop(_executor))


async def _in_loop(start: Callable[[], asyncio.Future[None]]) -> float:
    found = []
    for _ in range(ROUNDS):
        begun = timeit.default_timer()
        for _ in range(200):
            await start()
        found.append((timeit.default_timer() - begun) / 200 * 1e6)
    return min(found)


def _executor() -> asyncio.Future[None]:
    return asyncio.get_running_loop().run_in_executor(None, lambda: None)


def stores(directory: Path) -> Iterator[tuple[str, float, float]]:
    """LMDB, and SQLite with a write-ahead log and full synchronisation: durable writes, reads, a walk."""
    key = b"%020d" % (RECORDS // 2)
    records = [(b"%020d" % number, bytes(VALUE)) for number in range(RECORDS)]
    with (
        lmdb.open(str(directory / "lmdb"), map_size=1 << 28) as environment,
        closing(sqlite3.connect(directory / "sqlite", isolation_level=None)) as connection,
    ):
        with environment.begin(write=True) as transaction:
            transaction.cursor().putmulti(records)
        connection.executescript(
            "pragma journal_mode = wal; pragma synchronous = full;"
            "create table records (key blob primary key, value blob) without rowid; begin"
        )
        connection.executemany("insert into records values (?, ?)", records)
        connection.execute("commit")

        def read() -> None:
            with environment.begin() as reading:
                reading.get(key)

        def walk() -> None:
            with environment.begin() as reading:
                sum(len(value) for _, value in reading.cursor())

        def write() -> None:
            with environment.begin(write=True) as writing:
                writing.put(key, os.urandom(VALUE))

        select, update = "select value from records", "update records set value = ? where key = ?"
        yield (
            "read a record",
            least(read, 1_000),
            least(lambda: connection.execute(f"{select} where key = ?", (key,)).fetchone(), 1_000),
        )
        yield (
            f"walk over {RECORDS:,} records",
            least(walk, 3),
            least(lambda: sum(len(value) for (value,) in connection.execute(select)), 3),
        )
        yield (
            "write a record, durably",
            least(write, 50),
            least(lambda: connection.execute(update, (os.urandom(VALUE), key)), 50),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks alternatives", description=__doc__)
    parser.add_argument("--directory", type=Path, help="on the file system to measure; by default a temporary one")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        print("microseconds: LMDB, SQLite")
        for name, ours, other in stores(Path(directory)):
            print(f"  {name:28} {ours:10.1f} {other:10.1f}")
    print("microseconds")
    for name, each in hand_over():
        print(f"  {name:28} {each:10.2f}")


if __name__ == "__main__":
    main()
