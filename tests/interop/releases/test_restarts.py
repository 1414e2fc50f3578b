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
from tests.support.interop.releases import Release
from tests.support.processes.hosts import LAMINA, Host
from tests.support.rounds import rounds

SECONDS = 120
RESTARTS = rounds(2, 20)
BETWEEN = 0.1
"""Seconds between two processes: `RestartSec=` of the systemd unit."""
UNREACHED = ("while dialing", "server preface", "client preface", "server handshake", "connection closed: ")
"""What errors of calls say that were not sent, as no connection was made."""
DISCONNECTED = (*UNREACHED, "connection", "transport", "reading from server")
"""What errors of calls say that were not sent, or not answered."""


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

    def summary(self, what: str) -> str:
        """What became of them, for the summary of the run."""
        return f"{what}: at most {self.longest:.2f} s between two answers, {len(self.failed)} failed calls"

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


@pytest.fixture(params=["native", "grpcio"])
def host(request: pytest.FixtureRequest, directory: Path) -> Iterator[Host]:
    """A host of its own for each test, with each of the engines, that takes as long to start as any."""
    setting = f'[plugins."io.containerd.server.v1.grpc"]\nengine = "{request.param}"\n'
    with Host(directory / "h", setting, lamina=LAMINA).running() as host:
        yield host


@pytest.fixture
def calls(release: Release, directory: Path, host: Host) -> Iterator[Calls]:
    """Calls of a layer of lamina's."""
    with Containerd(directory / "c", {"lamina": host.address}, release=release).running() as containerd:
        containerd.ctr("snapshots", "--snapshotter", "lamina", "prepare", "key")
        containerd.ctr("snapshots", "--snapshotter", "lamina", "commit", "layer", "key")
        yield Calls(containerd)


def restart(host: Host, end: Callable[[], object], calls: Calls) -> None:
    """End a host and start it again, round after round, while calls are made; each time, some succeed again."""
    with calls.running():
        for _ in range(RESTARTS):
            calls.wait_for_successes(3)
            end()
            time.sleep(BETWEEN)  # what is measured, not waited for
            host.start()
        calls.wait_for_successes(3)


@pytest.mark.capability("lamina is restarted under a loop of calls: those that reached it are answered")
def test_calls_that_reached_a_host_are_answered_when_it_is_restarted(
    host: Host, calls: Calls, tell: Callable[[str], None]
) -> None:
    """Others wait, or fail in the pause that containerd makes after an attempt to connect that failed."""
    restart(host, host.stop, calls)
    tell(calls.summary(f"{RESTARTS} restarts"))
    assert [error for error in calls.failed if not any(words in error for words in UNREACHED)] == []


@pytest.mark.capability("lamina is killed under a loop of calls: containerd connects again")
def test_calls_succeed_again_when_a_host_was_killed_and_started(
    host: Host, calls: Calls, tell: Callable[[str], None]
) -> None:
    restart(host, host.kill, calls)
    tell(calls.summary(f"{RESTARTS} kills"))
    assert [error for error in calls.failed if not any(words in error for words in DISCONNECTED)] == []
