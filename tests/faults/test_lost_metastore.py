"""Deleted and damaged metastores with many snapshots are rebuilt."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import attrs
import pytest

from lamina.errdefs import Unavailable
from lamina.snapshots import Info, Kind, Snapshotter, Usage
from tests.support.commands import environment
from tests.support.directories import short_directory
from tests.support.processes.hosts import LAMINA, Host
from tests.support.rounds import SEED, rounds
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

SNAPSHOTS = rounds(1_000, 10_000)
KILLS = rounds(2, 50)
CLIENTS = 8
SECONDS = 60.0
FLUSHES = 4
"""Writings of recovery records before the host is killed: one each half second, if the disk is not slow."""
MOMENT = 0.6
"""Seconds after them in which it is killed, at a random time."""


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


def database(host: Host) -> Path:
    return host.directory / "root/io.lamina.metastore.v1.lmdb/data.mdb"


def has_written(host: Host, infos: Iterable[Info]) -> bool:
    """Return whether the recovery records are those of the snapshots: a file has the time of its record."""
    try:
        written = [file.stat().st_mtime_ns for file in (host.overlay / "records").iterdir()]
    except FileNotFoundError:  # replaced meanwhile
        return False
    return sorted(written) == sorted(info.updated for info in infos)


class Flushes:
    """The times at which a busy host has written its recovery records, as far as they are seen."""

    def __init__(self, host: Host) -> None:
        """Begin to look."""
        self._file = host.overlay / "transaction"
        """Written at the end of each flush."""
        self._begun = time.monotonic()
        self._written = self._time()
        self._ended: list[float] = []
        """For each end that was seen, the time of the last look before it."""

    def look(self) -> int:
        """Look whether the host has written since the last time; return how often it has."""
        before, self._begun = self._begun, time.monotonic()
        if (written := self._time()) != self._written:
            self._written = written
            self._ended.append(before)
        return len(self._ended)

    def _time(self) -> int:
        """The time at which the file was written last; 0 before it is there."""
        return self._file.stat().st_mtime_ns if self._file.exists() else 0

    @property
    def settled(self) -> float:
        """The time before which everything acknowledged is written: the last flush seen began after it."""
        return self._ended[-2]


def rebuild(host: Host) -> dict[str, object]:
    """Rebuild the metastore of a stopped host. Exit code 1 reports data without a record."""
    command = (*LAMINA, "metastore", "rebuild", "--json", "-c", host.file)
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120, check=False)
    assert done.returncode in {0, 1}, done.stderr
    outcome: dict[str, object] = json.loads(done.stdout)
    return outcome


def all_of(host: Host) -> dict[str, tuple[Info, Usage]]:
    """Return info and usage of every snapshot, without measuring active ones."""
    with host.client() as client:
        snapshotter = client.snapshotter("overlayfs")
        return {
            info.name: (info, Usage() if info.kind is Kind.ACTIVE else snapshotter.usage(info.name))
            for info in list(snapshotter.walk())  # which has a deadline
        }


def fill(host: Host, count: int) -> None:
    """Create snapshots in chains of eight layers, each with an active snapshot or a view on top."""

    def chain(number: int) -> None:
        with host.client() as client:
            snapshotter = client.snapshotter("overlayfs")
            parent = ""
            for layer in range(8):
                key = f"{number}/extract-{layer}"
                snapshotter.prepare(key, parent, {"containerd.io/snapshot.ref": key})
                snapshotter.commit(parent := f"{number}/layer-{layer}", key, {"layer": str(layer)})
            snapshotter.prepare(f"{number}/box", parent, {"n": "1"})
            snapshotter.update(Info(f"{number}/box", labels={"n": "2"}), ("labels.n",))
            snapshotter.view(f"{number}/look", parent)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(chain, number) for number in range(count // 10)]:
            done.result()


def test_a_deleted_metastore_is_rebuilt_with_all_snapshots(directory: Path, tell: Callable[[str], None]) -> None:
    """All fields are restored, and the host works as before."""
    with Host(directory / "h").running() as host:
        fill(host, SNAPSHOTS)
        before = all_of(host)
        assert len(before) == SNAPSHOTS
        wait_until(lambda: has_written(host, [info for info, _ in before.values()]), SECONDS, "all is written")
        host.kill()
        database(host).unlink()
        began = time.monotonic()
        outcome = rebuild(host)
        seconds = time.monotonic() - began
        assert (outcome["Restored"], outcome["LeftOut"], outcome["Incomplete"]) == (SNAPSHOTS, [], [])
        host.start()
        assert all_of(host) == before
        with host.client() as client:
            snapshotter = client.snapshotter("overlayfs")
            snapshotter.prepare("new", "0/layer-7")
            snapshotter.remove("0/box")
    tell(f"{SNAPSHOTS} snapshots came back in {seconds:.1f} s")


@attrs.define
class History:
    """The last acknowledged state of a key with its time, and the time of the last request."""

    state: tuple[Kind, str, Mapping[str, str]] | None = None
    acknowledged: float = 0.0
    asked: float = 0.0


class Caller:
    """A client that creates, updates, commits and removes snapshots, and records acknowledgements."""

    def __init__(self, name: str) -> None:
        self.histories: dict[str, History] = {}
        self._name = name
        self._random = Random(f"{SEED} {name}")
        self._number = 0

    def work(self, host: Host) -> None:
        """Make calls until the host does not answer."""
        with host.client() as client:
            snapshotter = client.snapshotter("overlayfs")
            while True:
                try:
                    self._call(snapshotter)
                except Unavailable:
                    return

    def _call(self, snapshotter: Snapshotter) -> None:
        there = {key: one.state for key, one in self.histories.items() if one.state}
        parents = {state[1] for state in there.values()}
        leaves = [key for key in there if key not in parents]
        active = [key for key, state in there.items() if state[0] is Kind.ACTIVE]
        committed = [key for key, state in there.items() if state[0] is Kind.COMMITTED]
        self._number += 1
        new = f"{self._name}/{self._number}"
        what = self._random.choice(("prepare", "prepare", "view", "commit", "commit", "remove", "update"))
        if what in {"prepare", "view"} or (what == "commit" and not active) or not leaves:
            parent = self._random.choice([*committed, ""])
            labels = {"n": str(self._number)}
            kind = Kind.VIEW if what == "view" else Kind.ACTIVE
            make = snapshotter.view if what == "view" else snapshotter.prepare
            self._ask({new: (kind, parent, labels)}, lambda: make(new, parent, labels))
        elif what == "commit":
            key = self._random.choice(active)
            _, parent, labels = there[key]
            after = {key: None, new: (Kind.COMMITTED, parent, labels)}
            self._ask(after, lambda: snapshotter.commit(new, key, labels))
        elif what == "remove":
            key = self._random.choice(leaves)
            self._ask({key: None}, lambda: snapshotter.remove(key))
        else:
            key = self._random.choice(list(there))
            kind, parent, labels = there[key]
            labels = {**labels, "changed": str(self._number)}
            self._ask({key: (kind, parent, labels)}, lambda: snapshotter.update(Info(key, labels=labels)))

    def _ask(
        self, after: Mapping[str, tuple[Kind, str, Mapping[str, str]] | None], call: Callable[[], object]
    ) -> None:
        for key in after:
            self.histories.setdefault(key, History()).asked = time.monotonic()
        call()
        for key, state in after.items():
            self.histories[key].state, self.histories[key].acknowledged = state, time.monotonic()


def check(caller: Caller, found: Mapping[str, tuple[Info, Usage]], until: float) -> int:
    """Compare the rebuilt state with what was acknowledged until then; return the number of keys compared."""
    settled = {key: one for key, one in caller.histories.items() if one.asked <= one.acknowledged < until}
    for key, one in settled.items():
        info = found[key][0] if key in found else None
        state = None if info is None else (info.kind, info.parent, dict(info.labels))
        assert state == one.state, f"{key}: acknowledged {until - one.acknowledged:.3f} s before"
    return len(settled)


def kill_while_it_writes(host: Host, random: Random) -> float:
    """Kill a busy host after some flushes of recovery records; return `Flushes.settled`."""
    try:
        flushes = Flushes(host)
        wait_until(lambda: flushes.look() >= FLUSHES, SECONDS, "recovery records are written")
        end = time.monotonic() + random.uniform(0, MOMENT)
        wait_until(lambda: flushes.look() and time.monotonic() >= end, SECONDS, "the moment of the kill")
    finally:
        host.kill()
    return flushes.settled


def test_after_a_kill_a_deleted_metastore_is_rebuilt_as_far_as_recovery_records_were_written(
    directory: Path, tell: Callable[[str], None]
) -> None:
    """Removed snapshots do not return, and creations, commits and updates are as acknowledged."""
    random, settled, known = Random(SEED), 0, 0
    with Host(directory / "h").running() as host:
        for number in range(KILLS):
            callers = [Caller(f"{number}-{client}") for client in range(CLIENTS)]
            with ThreadPoolExecutor(CLIENTS) as pool:
                calls = [pool.submit(caller.work, host) for caller in callers]
                until = kill_while_it_writes(host, random)
                for call in calls:
                    call.result()
            database(host).unlink()
            rebuild(host)
            host.start()
            found = all_of(host)
            settled += sum(check(caller, found, until) for caller in callers)
            known += sum(len(caller.histories) for caller in callers)
    assert settled
    tell(f"{KILLS} kills: {settled} of {known} snapshots were settled, and each came back or stayed away")
