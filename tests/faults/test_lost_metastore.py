"""Deleted and damaged metastores with many snapshots are rebuilt."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
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

pytestmark = pytest.mark.requires("root", "overlay")

SNAPSHOTS = rounds(1_000, 10_000)
KILLS = rounds(2, 50)
CLIENTS = 8
SECONDS = 2.5
"""Seconds that clients work before the host is killed."""
BEHIND = 1.0
"""Recovery records may lack operations acknowledged in the last seconds before the kill."""


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


def database(host: Host) -> Path:
    return host.directory / "root/io.lamina.metastore.v1.lmdb/data.mdb"


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
        time.sleep(BEHIND)
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


def check(caller: Caller, found: Mapping[str, tuple[Info, Usage]], killed: float) -> int:
    """Compare the rebuilt state with that of a second before the kill; return the number of keys compared."""
    settled = {key: one for key, one in caller.histories.items() if one.asked < killed - BEHIND}
    for key, one in settled.items():
        info = found[key][0] if key in found else None
        state = None if info is None else (info.kind, info.parent, dict(info.labels))
        assert state == one.state, f"{key}: {killed - one.acknowledged:.3f} s before the kill"
    return len(settled)


def test_after_a_kill_a_deleted_metastore_is_rebuilt_up_to_the_last_second(
    directory: Path, tell: Callable[[str], None]
) -> None:
    """Removed snapshots do not return, and creations, commits and updates are as acknowledged."""
    settled = known = 0
    with Host(directory / "h").running() as host:
        for number in range(KILLS):
            callers = [Caller(f"{number}-{client}") for client in range(CLIENTS)]
            kill = threading.Timer(SECONDS, host.kill)
            with ThreadPoolExecutor(CLIENTS) as pool:
                calls = [pool.submit(caller.work, host) for caller in callers]
                kill.start()
                kill.join()
                killed = time.monotonic()
                for call in calls:
                    call.result()
            database(host).unlink()
            rebuild(host)
            host.start()
            found = all_of(host)
            settled += sum(check(caller, found, killed) for caller in callers)
            known += sum(len(caller.histories) for caller in callers)
    assert settled
    tell(f"{KILLS} kills: {settled} of {known} snapshots were settled, and each came back or stayed away")
