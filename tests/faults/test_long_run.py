"""Thirty-two busy clients, for half an hour under `make soak`: nothing fails, grows or slows down."""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Final

import pytest

from lamina.snapshots import Info, Snapshotter
from tests.support.processes.hosts import LAMINA, Host
from tests.support.rounds import rounds

pytestmark = pytest.mark.requires("root", "overlay")

CLIENTS: Final = 32
SECONDS: Final = rounds(20, 1800)
WARM_UP: Final = SECONDS / 5
"""Seconds until threads, pools and free pages have stopped growing."""
GROWTH: Final = 8 << 20
"""Bytes that the host may grow by afterwards, for the allocator."""
SLOWER: Final = 1.5
"""The maximum ratio of the last p99 to the first under `make soak`, on an idle machine."""


class Latencies:
    """The durations of calls, by their end times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: list[tuple[float, float]] = []

    def add(self, began: float) -> None:
        now = time.monotonic()
        with self._lock:
            self._taken.append((now, now - began))

    def __len__(self) -> int:
        return len(self._taken)

    def p99(self, since: float, until: float) -> float:
        """Return the 99th percentile of the latency in seconds between two times; NaN where no call ended."""
        taken = sorted(latency for ended, latency in self._taken if since <= ended < until)
        return taken[len(taken) * 99 // 100] if taken else math.nan


def life(snapshotter: Snapshotter, name: str, depth: int) -> Iterator[Callable[[], object]]:
    """Yield the calls that build, inspect and remove a chain."""
    chain = [f"{name}/{level}" for level in range(depth)]
    for parent, layer in zip(["", *chain], chain, strict=False):
        active = f"{layer} active"
        yield functools.partial(snapshotter.prepare, active, parent)
        yield functools.partial(snapshotter.update, Info(active, labels={"touched": "yes"}))
        yield functools.partial(snapshotter.usage, active)
        yield functools.partial(snapshotter.commit, layer, active)
        yield functools.partial(snapshotter.stat, layer)
    yield functools.partial(snapshotter.view, f"{name}/view", chain[-1])
    yield functools.partial(snapshotter.mounts, f"{name}/view")
    yield lambda: list(snapshotter.walk(f'name=="{name}/view"'))
    for key in (f"{name}/view", *reversed(chain)):
        yield functools.partial(snapshotter.remove, key)


def work(snapshotter: Snapshotter, name: str, until: float, latencies: Latencies) -> None:
    """Repeat life cycles until the deadline."""
    random = Random(name)
    while time.monotonic() < until:
        for call in life(snapshotter, name, random.randint(1, 4)):
            began = time.monotonic()
            call()
            latencies.add(began)


def resident(pid: int) -> int:
    """Return the resident size of a process in bytes (proc_pid_statm(5))."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_a_host_under_load_neither_grows_nor_fails(tmp_path: Path, tell: Callable[[str], None]) -> None:
    latencies = Latencies()
    with (
        Host(tmp_path / "h", lamina=LAMINA).running() as host,
        host.client() as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        snapshotter = client.snapshotter("overlayfs")
        began = time.monotonic()
        until = began + SECONDS
        working = [
            pool.submit(work, snapshotter, f"client-{number}", until, latencies) for number in range(CLIENTS)
        ]
        stopped = threading.Event()
        stopped.wait(WARM_UP)
        before, open_before = resident(host.pid), descriptors(host.pid)
        for one in working:
            one.result()
        after, open_after = resident(host.pid), descriptors(host.pid)
        left = list(snapshotter.walk())
    quarter = (SECONDS - WARM_UP) / 4
    first = latencies.p99(began + WARM_UP, began + WARM_UP + quarter)
    last = latencies.p99(until - quarter, until)
    tell(
        f"{len(latencies)} calls in {SECONDS} s, p99 {first * 1000:.1f} ms in the first quarter and "
        f"{last * 1000:.1f} ms in the last, resident {before >> 20} MiB and {after >> 20} MiB"
    )
    assert left == []
    assert after - before <= GROWTH
    assert open_after <= open_before + CLIENTS
    if os.environ.get("LAMINA_SOAK"):
        assert last <= SLOWER * first
