"""The host is repeatedly killed while clients change snapshots."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TypeVar

import attrs
import pytest

from lamina.errdefs import Unavailable
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.snapshots.labels import UPPERDIR
from tests.support.processes.hosts import Host
from tests.support.rounds import SEED, rounds
from tests.support.waiting import wait_until

V = TypeVar("V")

pytestmark = pytest.mark.requires("root", "overlay")

ROUNDS = rounds(8, 200)
CLIENTS = 16
MOST_OPERATIONS = 150
"""After as many acknowledged operations at most, of all clients together, the host is killed."""

CONFIG = """\
[plugins."io.containerd.snapshotter.v1.overlayfs"]
upperdir_label = true
"""


@attrs.frozen
class Known:
    """A client's knowledge of a snapshot."""

    kind: Kind
    parent: str
    labels: Mapping[str, str]


@attrs.frozen
class Operation:
    """A call, and which snapshots there are if it has been carried out."""

    call: Callable[[Snapshotter], object]
    after: Mapping[str, Known]


class Caller:
    """A client that makes random calls on its own keys and records acknowledgements."""

    def __init__(self, name: str, random: Random) -> None:
        self.name = name
        self._random = random
        self._names = 0
        self._there: Mapping[str, Known] = {}
        self._under_way = Operation(lambda _: None, {})

    def work(self, host: Host, acknowledged: Callable[[], None]) -> None:
        """Make calls until the host does not answer."""
        with host.client() as client:
            snapshotter = client.snapshotter("overlayfs")
            while True:
                self._under_way = self._choose()
                try:
                    self._under_way.call(snapshotter)
                except Unavailable:
                    return
                self._there = self._under_way.after
                acknowledged()

    def check(self, infos: list[Info]) -> None:
        """Check the snapshots of this client after a kill, and continue from there.

        Acknowledged calls have taken effect. The interrupted call has or has not.
        """
        found = {info.name: _known(info) for info in infos}
        assert found in (self._there, self._under_way.after)
        for info in infos:
            content = _content(info.labels[UPPERDIR])
            if info.kind is Kind.ACTIVE and info.name not in self._there:
                content.write_text(info.labels["content"])  # created, but not acknowledged
            elif info.kind is not Kind.VIEW:
                assert content.read_text() == info.labels["content"]
        self._there = found

    def _choose(self) -> Operation:
        parents = {known.parent for known in self._there.values()}
        active = [key for key, known in self._there.items() if known.kind is Kind.ACTIVE]
        leaves = [key for key in self._there if key not in parents]
        choices = [self._prepare, self._prepare, self._view]
        choices += [lambda: self._commit(self._random.choice(active))] * 2 if active else []
        choices += [lambda: self._remove(self._random.choice(leaves))] * 2 if leaves else []
        choices += [lambda: self._update(self._random.choice([*self._there]))] if self._there else []
        return self._random.choice(choices)()

    def _prepare(self) -> Operation:
        key, parent = self._new_name(), self._parent()
        labels = {"content": key}

        def call(snapshotter: Snapshotter) -> None:
            (mount,) = snapshotter.prepare(key, parent, labels)
            options = dict(option.split("=") for option in mount.options if "=" in option)
            _content(options.get("upperdir", mount.source)).write_text(key)

        return self._with(call, key, Known(Kind.ACTIVE, parent, labels))

    def _view(self) -> Operation:
        key, parent = self._new_name(), self._parent()
        return self._with(lambda s: s.view(key, parent), key, Known(Kind.VIEW, parent, {}))

    def _commit(self, key: str) -> Operation:
        name, was = self._new_name(), self._there[key]
        committed = attrs.evolve(was, kind=Kind.COMMITTED)
        return self._with(lambda s: s.commit(name, key, was.labels), name, committed, gone=key)

    def _remove(self, key: str) -> Operation:
        return Operation(lambda s: s.remove(key), _without(self._there, key))

    def _update(self, key: str) -> Operation:
        was = self._there[key]
        updated = attrs.evolve(was, labels={**was.labels, "changed": self._new_name()})
        return self._with(lambda s: s.update(Info(key, labels=updated.labels)), key, updated)

    def _with(self, call: Callable[[Snapshotter], object], key: str, known: Known, *, gone: str = "") -> Operation:
        return Operation(call, {**_without(self._there, gone), key: known})

    def _new_name(self) -> str:
        self._names += 1
        return f"{self.name}/{self._names}"

    def _parent(self) -> str:
        return self._random.choice([""] + [k for k, known in self._there.items() if known.kind is Kind.COMMITTED])


class Countdown:
    """Does something when it has been called for the n-th time, by whichever thread."""

    def __init__(self, count: int, action: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._left = count
        self._action = action

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._action()


def _known(info: Info) -> Known:
    return Known(info.kind, info.parent, _without(info.labels, UPPERDIR))


def _without(mapping: Mapping[str, V], gone: str) -> dict[str, V]:
    return {key: value for key, value in mapping.items() if key != gone}


def _content(upperdir: str) -> Path:
    return Path(upperdir, "content")


def _check_disk(host: Host, ids: list[str]) -> None:
    """Check that there is exactly what belongs to these identifiers, once what is left behind is reclaimed."""
    expected = {"snapshots": ids, "records": ids, "trash": []}
    with contextlib.suppress(TimeoutError):  # the assertion says what there is instead
        wait_until(lambda: host.data() == expected, 60, "what is left behind is reclaimed")
    assert host.data() == expected


def test_acknowledged_operations_survive_a_kill_without_orphans(tmp_path: Path) -> None:
    """One snapshot always exists, because an empty metastore reclaims nothing."""
    random = Random(SEED)
    callers = [Caller(f"client-{number}", Random(random.random())) for number in range(CLIENTS)]
    with Host(tmp_path / "h", CONFIG).running() as host:
        with host.client() as client:
            client.snapshotter("overlayfs").prepare("stays")
        for _ in range(ROUNDS):
            kill = Countdown(random.randint(1, MOST_OPERATIONS), host.kill)
            with ThreadPoolExecutor(CLIENTS) as pool:
                for work in [pool.submit(caller.work, host, kill) for caller in callers]:
                    work.result()
            host.start()
            with host.client() as client:
                infos = list(client.snapshotter("overlayfs").walk())
            for caller in callers:
                caller.check([info for info in infos if info.name.startswith(f"{caller.name}/")])
            upperdirs = [Path(info.labels[UPPERDIR]) for info in infos]
            assert all(upperdir.is_dir() for upperdir in upperdirs)
            _check_disk(host, sorted(upperdir.parent.name for upperdir in upperdirs))
