"""What a containerd in use sees of restarts of the host behind its proxy plugin."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from tests.support.commands import CommandFailed
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd
from tests.support.processes.hosts import Host
from tests.support.rounds import rounds

pytestmark = pytest.mark.requires("root", "overlay", "containerd", "ctr")

SECONDS = 60
RESTARTS = rounds(3, 20)
BETWEEN = 0.1
"""Seconds between two processes: `RestartSec=` of the systemd unit."""


@attrs.define
class Calls:
    """Calls through a containerd, one after the other, and what became of them."""

    containerd: Containerd
    failed: list[str] = attrs.field(factory=list)
    """What failed calls printed."""
    longest: float = 0.0
    """Seconds between the ends of two successful calls, at most."""
    _done: int = 0
    _progress: threading.Condition = attrs.field(factory=threading.Condition)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Make calls during the block."""
        ended = threading.Event()
        thread = threading.Thread(target=self._repeat, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def wait_for_successes(self, count: int) -> None:
        """Wait until so many more calls have succeeded."""
        with self._progress:
            goal = self._done + count
            assert self._progress.wait_for(lambda: self._done >= goal, SECONDS), self.failed[-1:]

    def _repeat(self, ended: threading.Event) -> None:
        last = time.monotonic()
        while not ended.is_set():
            try:
                self.containerd.ctr("snapshots", "--snapshotter", "lamina", "info", "layer")
            except CommandFailed as error:
                self.failed.append(str(error))
                continue
            with self._progress:
                now = time.monotonic()
                self.longest, last = max(self.longest, now - last), now
                self._done += 1
                self._progress.notify_all()


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.mark.parametrize("engine", ["native", "grpcio"])
@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_restarted_host_serves_the_containerd_that_is_already_connected(
    directory: Path, end: str, engine: str, tell: Callable[[str], None]
) -> None:
    """Calls wait for it, or fail in the pause that containerd makes after a refusal."""
    setting = f'[plugins."io.containerd.server.v1.grpc"]\nengine = "{engine}"\n'
    host = Host(directory / "h", setting)
    containerd = Containerd(directory / "c", {"lamina": host.address})
    with host.running(), containerd.running():
        containerd.ctr("snapshots", "--snapshotter", "lamina", "prepare", "key")
        containerd.ctr("snapshots", "--snapshotter", "lamina", "commit", "layer", "key")
        calls = Calls(containerd)
        with calls.running():
            for _ in range(RESTARTS):
                calls.wait_for_successes(3)
                getattr(host, end)()
                time.sleep(BETWEEN)  # what is measured, not waited for
                host.start()
            calls.wait_for_successes(3)
    tell(f"{RESTARTS} times {end}: longest gap {calls.longest:.2f} s, {len(calls.failed)} failed calls")
    assert all("navailable" in error or "connection" in error for error in calls.failed), calls.failed
