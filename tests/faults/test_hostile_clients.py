"""Under attack by clients, the host survives, its memory is bounded, and honest clients are served."""

from __future__ import annotations

import itertools
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import grpc
import pytest

from lamina.api.messages import snapshots_pb2 as pb
from tests.support.directories import short_directory
from tests.support.hostile import frames  # noqa: F401 - registers its attacks
from tests.support.hostile.clients import (
    ATTACKS,
    HEALTH,
    HUNG,
    SNAPSHOTS,
    SNAPSHOTTER,
    announced_sizes,
    channel,
    flood,
)
from tests.support.processes.hosts import LAMINA, Host
from tests.support.rounds import rounds
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root")

FACTOR = rounds(1, 10)
PATIENCE = 120.0
"""Seconds that an honest call may take on a loaded machine."""
MEMORY = 1536
"""The maximum resident size of the host in MiB, below `MemoryMax` of the systemd unit."""


@pytest.fixture(scope="module", params=["grpcio", "native"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host with a working snapshotter, whose list has six megabytes, and one behind a silent socket."""
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{directory}/silent")
        silent.listen()
        config = (
            f'[plugins."io.containerd.server.v1.grpc"]\nengine = "{request.param}"\n'
            f'[proxy_plugins.{HUNG}]\ntype = "snapshot"\naddress = "{directory}/silent"\n'
        )
        with Host(directory, config, lamina=LAMINA).running() as host:
            keys = [f"{number}".rjust(30_000, "k") for number in range(200)]
            requests = [pb.PrepareSnapshotRequest(snapshotter=SNAPSHOTTER, key=key) for key in keys]
            flood(host.address, f"{SNAPSHOTS}/Prepare", requests, seconds=PATIENCE)
            yield host


class Honest:
    """A well-behaved client that makes one call after another and measures them."""

    def __init__(self, path: str) -> None:
        self.latencies: list[float] = []
        self.errors: list[str] = []
        self._path = path
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        with channel(self._path) as made:
            for number in itertools.count():
                self._round(made, f"honest {number}")
                if self._ended.is_set():
                    return

    def _round(self, made: grpc.Channel, key: str) -> None:
        self._call(made, f"{HEALTH}/Check", b"")
        for method, request in (
            ("Prepare", pb.PrepareSnapshotRequest(snapshotter=SNAPSHOTTER, key=key)),
            ("Stat", pb.StatSnapshotRequest(snapshotter=SNAPSHOTTER, key=key)),
            ("Mounts", pb.MountsRequest(snapshotter=SNAPSHOTTER, key=key)),
            ("Usage", pb.UsageRequest(snapshotter=SNAPSHOTTER, key=key)),
            ("Remove", pb.RemoveSnapshotRequest(snapshotter=SNAPSHOTTER, key=key)),
        ):
            self._call(made, f"{SNAPSHOTS}/{method}", request.SerializeToString())

    def _call(self, made: grpc.Channel, method: str, data: bytes) -> None:
        """Make a call, and retry while the server reports RESOURCE_EXHAUSTED."""
        began = time.monotonic()
        while True:
            call = made.unary_unary(f"/{method}").future(data, timeout=PATIENCE)
            code = call.code()
            if code is not grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > began + PATIENCE:
                break
            time.sleep(0.05)  # the back-off of a client
        if code is not grpc.StatusCode.OK:
            self.errors.append(f"{method}: {code}: {call.details()}")
        self.latencies.append(time.monotonic() - began)


def peak(process: int) -> int:
    """Return the peak resident size of a process in MiB (proc_pid_status(5), VmHWM)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))


@pytest.mark.parametrize("name", ATTACKS)
def test_honest_clients_are_served_during(name: str, host: Host) -> None:
    path = str(host.state / "lamina.sock")
    with Honest(path) as honest:
        ATTACKS[name](path, FACTOR)
    assert host.is_running, host.stderr
    memory = peak(host.pid)
    worst, median = max(honest.latencies), statistics.median(honest.latencies)
    print(f"{name}: {len(honest.latencies)} honest calls, median {median * 1000:.1f} ms, worst {worst:.2f} s, "
          f"{memory} MiB at most")  # fmt: skip
    assert honest.errors == []
    assert memory < MEMORY


def test_a_host_survives_messages_of_which_only_the_size_is_sent(host: Host) -> None:
    """The address space of a process ends at 128 TiB."""
    path = str(host.state / "lamina.sock")
    announced_sizes(path, 80 * FACTOR)
    wait_until(lambda: not host.is_running or _answers(path), PATIENCE, "the host answers again")
    assert host.is_running, host.stderr


def _answers(path: str) -> bool:
    """Make a call, which fails if the host closes its connection among those of an attacker."""
    with channel(path) as made:
        return made.unary_unary(f"/{HEALTH}/Check").future(b"", timeout=PATIENCE).code() is grpc.StatusCode.OK


def test_there_are_thirty_attacks() -> None:
    assert len(ATTACKS) >= 30
