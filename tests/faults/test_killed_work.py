"""Hosts are killed while a client waits for a pull, a push, a commit, an export or a collection.

The repeated command finishes the work; nothing is lost, and nothing stays that nobody needs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import pytest

from lamina.errdefs import Canceled, Unavailable
from lamina.mount import mountinfo
from tests.support.directories import short_directory
from tests.support.images.killed_work import GRACE, WORKS, Scene, Work, is_empty, remove_all
from tests.support.processes.hosts import Host
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.rounds import rounds
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay", "docker-registry")

ROUNDS = rounds(1, 200)
SECONDS: Final = 60.0


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with DockerRegistry(tmp_path_factory.mktemp("registry")).running() as running:
        yield running


@pytest.mark.parametrize("name", WORKS)
def test_work_is_finished_after_its_host_was_killed(
    name: str, registry: DockerRegistry, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    random, cut = Random(name), 0
    exports = tmp_path / "exports"
    exports.mkdir()
    work = WORKS[name](Scene.make(registry, exports))
    with short_directory() as directory:
        host = Host(directory / "host", GRACE)
        with host.running():
            with host.client() as client:
                client.snapshotter("overlayfs").prepare("stays")  # an empty metastore reclaims nothing
            seconds = undisturbed(host, work)
            for _ in range(ROUNDS):
                with host.client() as client:
                    work.prepare(client)
                cut += killed(host, work, seconds * random.uniform(0, 0.8))
                host.start()
                finish(host, work)
        assert [info for info in mountinfo() if str(directory) in info.mount_point] == []
    tell(f"{name}: {cut} of {ROUNDS} were cut off by the end of the host")


def undisturbed(host: Host, work: Work) -> float:
    """Do the work once; return how many seconds it took."""
    with host.client() as client:
        work.prepare(client)
        begun = time.monotonic()
        work.run(client)
        seconds = time.monotonic() - begun
    finish(host, work)
    return seconds


def killed(host: Host, work: Work, seconds: float) -> bool:
    """Do the work, and kill the host after some seconds; return whether the work had not ended."""
    ended = threading.Event()

    def kill() -> None:
        ended.wait(seconds)
        host.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    is_cut = True
    with suppress(Unavailable, Canceled), host.client() as client:
        work.run(client)
        is_cut = False
    ended.set()
    killer.join()
    return is_cut


def finish(host: Host, work: Work) -> None:
    """Repeat the work, check what is there, and remove it all."""
    with host.client() as client:
        work.run(client)
        work.check(client)
        remove_all(client)
        assert is_empty(client)
    wait_until(lambda: is_deleted(host.data()), SECONDS, "removed data is deleted")


def is_deleted(data: dict[str, list[str]]) -> bool:
    """Return whether there is the data of one snapshot only, which always exists."""
    return (len(data["snapshots"]), data["trash"]) == (1, [])
