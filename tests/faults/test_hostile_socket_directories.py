"""Another user owns the directory of the host's socket or plants files in it, and gains nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import attrs
import pytest

from lamina.api import Service
from lamina.errdefs import Error, FailedPrecondition, LockHeld, PermissionDenied
from lamina.plugins.servers.grpc._listener import Listener
from tests.support.hostile.planted import NOBODY, Victim, his, plant, run_as_nobody

pytestmark = [pytest.mark.requires("root"), pytest.mark.timeout(300)]  # no host waits for what is planted


@attrs.define
class PlainEngine:
    """An engine that listens and answers nothing."""

    bound: socket.socket | None = None

    def bind(self, path: str) -> None:
        self.bound = socket.socket(socket.AF_UNIX)
        self.bound.bind(path)
        self.bound.listen()

    def start(self, services: Iterable[Service]) -> None:
        pass

    def drain(self, grace: float) -> None:
        pass

    def metrics(self) -> tuple[()]:
        return ()

    def stop(self, grace: float) -> None:
        if self.bound is not None:
            self.bound.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Path], Listener]]:
    listeners: list[Listener] = []

    def start(path: Path, **owner: int) -> Listener:
        listeners.append(Listener(str(path), PlainEngine(), **owner))
        listeners[-1].start()
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


def test_a_socket_directory_of_another_user_is_refused(place: Path, victim: Victim, listen) -> None:
    his(place / "run")
    with pytest.raises(PermissionDenied, match=f"{place}/run belongs to user {NOBODY}"):
        listen(place / "run/x.sock")
    assert os.listdir(place / "run") == []


def test_a_socket_directory_may_belong_to_the_owner_of_the_socket(place: Path, victim: Victim, listen) -> None:
    his(place / "run")
    listen(place / "run/x.sock", uid=NOBODY, gid=NOBODY)
    assert (place / "run/x.sock").stat().st_uid == NOBODY


def test_a_planted_dead_socket_is_replaced(shared: Path, victim: Victim, listen) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(shared / "x.sock"))
    os.chown(shared / "x.sock", NOBODY, NOBODY)
    listen(shared / "x.sock")
    assert (shared / "x.sock").stat().st_uid == 0


def test_a_socket_on_which_another_user_listens_is_refused(shared: Path, victim: Victim, listen) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(shared / "x.sock"))
        other.listen()
        with pytest.raises(FailedPrecondition, match="a process listens"):
            listen(shared / "x.sock")


@pytest.mark.parametrize("suffix", ["", "~"])
@pytest.mark.parametrize("kind", ["a link to a directory", "a link to a file", "a FIFO", "his"])
def test_a_file_planted_in_place_of_the_socket_is_refused(
    shared: Path, victim: Victim, listen, suffix: str, kind: str
) -> None:
    plant(shared / f"x.sock{suffix}", kind, victim)
    with pytest.raises(Error, match="move it away"):
        listen(shared / "x.sock")
    assert (shared / f"x.sock{suffix}").lstat()


def test_a_directory_planted_in_place_of_the_temporary_socket_is_refused(
    shared: Path, victim: Victim, listen
) -> None:
    run_as_nobody('mkdir "$1"; ln -s "$2" "$1/s"', shared / "x.sock~", victim.file)
    with pytest.raises(Error, match="is in the way, and not this host's"):
        listen(shared / "x.sock")


@pytest.mark.parametrize("kind", ["a link to a file", "a FIFO", "a second name of a file", "a device", "his"])
def test_a_planted_lock_file_of_the_socket_is_refused(shared: Path, victim: Victim, listen, kind: str) -> None:
    plant(shared / "x.sock.lock", kind, victim)
    with pytest.raises(FailedPrecondition, match=r"x\.sock\.lock .*refusing to use it") as caught:
        listen(shared / "x.sock")
    assert not isinstance(caught.value, LockHeld)
