"""Metastores with three data roots that are damaged on purpose, opened in a process each, and what became of them.

`python -m tests.support.metastores.damage_trials DIRECTORY FIRST COUNT` prints a line of JSON for each damage.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots import Info
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore
from lamina.store import Table, TableTransaction, _startup_checks
from tests.support.metastores.damages import Damager

NAMES = ("one", "two", "three")
TABLE = "notes"
"""The owner of a table beside the snapshots, whose entries are told as those of a snapshotter are."""
SNAPSHOTS = 24
LIMITS = (_startup_checks.SMALL, _startup_checks.LARGE)
SECONDS = 300
"""How long an opening may take."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[dict[str, LocalSnapshotter | Exception], Table]]:
    """The snapshotters of a metastore, or what kept each from opening, and a table in it."""
    with contextlib.ExitStack() as stack:
        store = MetaStore.open(str(path / "metastore"))
        stack.callback(store.close)
        found: dict[str, LocalSnapshotter | Exception] = {}
        for name in NAMES:
            try:
                found[name] = LocalSnapshotter.open(
                    NativeBackend(str(path / name)), store.snapshotter(name), sync_fs=False
                )
                stack.callback(found[name].close)
            except Exception as error:  # noqa: BLE001 - all are told
                found[name] = error
        yield found, store.table(TABLE, 1)


def populate(path: Path) -> None:
    """Make a metastore with three data roots, in which each snapshot's data says whose it is, and its truth."""
    random = Random(0)
    with opened(path) as (snapshotters, table):
        for name, snapshotter in snapshotters.items():
            assert isinstance(snapshotter, LocalSnapshotter)
            _fill(snapshotter, name, random)
        _put(table, range(SNAPSHOTS), "first")
        earlier = {name: _listed(one) for name, one in snapshotters.items() if isinstance(one, LocalSnapshotter)}
        earlier[TABLE] = _entries(table)
        shutil.copyfile(path / "metastore/data.mdb", path / "earlier.mdb")
    with opened(path) as (snapshotters, table):
        _put(table, range(0, SNAPSHOTS, 5), "later")
        for snapshotter in snapshotters.values():
            assert isinstance(snapshotter, LocalSnapshotter)
            for number in range(0, SNAPSHOTS, 5):
                snapshotter.remove(f"child {number}")
            snapshotter.prepare("late", labels={"l": "late"})
            snapshotter._root.records.flush()
            snapshotter.cleanup()
        truth = {name: _listed(one) for name, one in snapshotters.items() if isinstance(one, LocalSnapshotter)}
        truth[TABLE] = _entries(table)
        ids = {
            name: sorted(str(record.id) for record in one._store.records())
            for name, one in snapshotters.items()
            if isinstance(one, LocalSnapshotter)
        }
    for name, own in ids.items():
        for id_ in own:
            (path / name / "snapshots" / id_ / "id").write_text(f"{name} {id_}")
    (path / "truth.json").write_text(json.dumps({"infos": truth, "ids": ids, "earlier": earlier}))


def _fill(snapshotter: LocalSnapshotter, name: str, random: Random) -> None:
    other = snapshotter.keyspace(f"client of {name}")
    for number in range(SNAPSHOTS):
        labels = {f"label{n}": "v" * random.randrange(200) for n in range(random.randrange(4))}
        snapshotter.prepare(f"making {number}", "" if number % 4 == 0 else f"base {number - 1}")
        snapshotter.commit(f"base {number}", f"making {number}", labels)
        snapshotter.prepare(f"child {number}", f"base {number}", labels)
        other.prepare(f"other {number}", labels=labels)
    snapshotter.prepare("large", labels={str(n): "v" * 4000 for n in range(3)})
    snapshotter.prepare("long " + "x" * 600)


def _put(table: Table, numbers: range, when: str) -> None:
    def body(transaction: TableTransaction) -> None:
        for number in numbers:
            transaction.put(f"entry {number}".encode(), when.encode() * number)

    table.write(body)


def _entries(table: Table) -> dict[str, list[Any]]:
    return {key.decode(): [value.decode()] for key, value in table.walk()}


def _listed(snapshotter: LocalSnapshotter) -> dict[str, list[Any]]:
    keyspaces = (snapshotter, snapshotter.keyspace(f"client of {snapshotter._store.name}"))
    infos = [info for one in keyspaces for info in one.walk()]
    for one in keyspaces:
        for info in one.walk():
            assert one.stat(info.name) == info
    return {info.name: _told(info) for info in infos}


def _told(info: Info) -> list[Any]:
    return [info.kind.name, info.parent, dict(info.labels), info.created, info.updated]


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = f": {record.exc_info[1]}" if record.exc_info else ""
        self.lines.append(f"{record.levelname} {record.getMessage()}{error}")


def look(path: Path) -> dict[str, Any]:
    """Open everything, list everything, tidy up, and tell what there was."""
    kept = Kept()
    logging.getLogger("lamina").addHandler(kept)
    told: dict[str, Any] = {"error": "", "errors": {}, "infos": {}, "log": kept.lines}
    try:
        with opened(path) as (snapshotters, table):
            try:
                told["infos"][TABLE] = _entries(table)
            except Exception as error:  # noqa: BLE001 - all are told
                told["errors"][TABLE] = f"{type(error).__name__}: {error}"
            for name, snapshotter in snapshotters.items():
                if isinstance(snapshotter, Exception):
                    told["errors"][name] = f"{type(snapshotter).__name__}: {snapshotter}"
                    continue
                try:
                    told["infos"][name] = _listed(snapshotter)
                except Exception as error:  # noqa: BLE001 - all are told
                    told["errors"][name] = f"{type(error).__name__}: {error}"
                snapshotter._tidying().tidy_up()
                snapshotter.cleanup()
    except Exception as error:  # noqa: BLE001 - all are told
        told["error"] = f"{type(error).__name__}: {error}"
    return told


def look_in_child(path: Path) -> tuple[int, dict[str, Any]]:
    """As `look`, in a forked child; returns its wait status as well."""
    result = path / "result.json"
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS)
        try:
            result.write_text(json.dumps(look(path)))
        finally:
            os._exit(0 if result.exists() else 1)
    _, status = os.waitpid(pid, 0)
    told = json.loads(result.read_text()) if result.exists() else {}
    result.unlink(missing_ok=True)
    return status, told


def run(base: Path, seed: int) -> dict[str, Any]:
    """Do one damage to a copy of a populated directory, and open it twice."""
    random = Random(seed)
    path = base.with_name(f"case-{seed}")
    shutil.copytree(base, path)
    try:
        file = path / "metastore/data.mdb"
        damager = Damager(file.read_bytes(), (base / "earlier.mdb").read_bytes(), random)
        what = damager.damage()
        file.write_bytes(damager.data)
        large = random.random() < 0.3
        _startup_checks.SMALL, _startup_checks.LARGE = (0, 0) if large else LIMITS
        looks = [look_in_child(path) for _ in range(2)]
        kept = {
            name: {
                id_: (path / name / "snapshots" / id_ / "id").read_text()
                for id_ in os.listdir(path / name / "snapshots")
                if (path / name / "snapshots" / id_ / "id").exists()
            }
            for name in NAMES
        }
        aside = [name for name in os.listdir(path / "metastore") if ".damaged-" in name]
        return {"seed": seed, "what": what, "large": large, "looks": looks, "kept": kept, "aside": aside}
    finally:
        shutil.rmtree(path)


def main(directory: str, first: str, count: str) -> None:
    """Run damages one after the other."""
    base = Path(directory)
    for seed in range(int(first), int(first) + int(count)):
        print(json.dumps(run(base, seed)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
