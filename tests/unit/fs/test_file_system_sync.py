from __future__ import annotations

import errno
import itertools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from trees import open_files
from waiting import wait_until

from lamina.errdefs import Aborted, DataLoss, Error, FailedPrecondition, NotFound
from lamina.fs import FileSystemSync
from lamina.fs._syscalls import syncfs

SECONDS = 20


class Gate:
    """A syncfs that waits for `open` before its n-th run ends; every run is a real one."""

    def __init__(self, *outcomes: BaseException | None) -> None:
        """`outcomes` are what the runs raise, in order."""
        self.outcomes = list(outcomes)
        self.runs = 0
        self.entered = threading.Semaphore(0)
        self.exits = threading.Semaphore(0)

    def __call__(self, fd: int) -> None:
        self.runs += 1
        self.entered.release()
        assert self.exits.acquire(timeout=SECONDS)
        syncfs(fd)
        if self.outcomes and (error := self.outcomes.pop(0)):
            raise error


def start(call: Callable[[], None]) -> tuple[threading.Thread, Future[None]]:
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            outcome.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def is_waiting(thread: threading.Thread) -> bool:
    """Whether a thread in `sync` has joined a round: it waits there, or for its turn to run it."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code in (threading.Condition.wait.__code__, FileSystemSync._run.__code__)


def wait_for(sync: FileSystemSync, gate: Gate, waiters: int) -> list[Future[None]]:
    """One caller whose syncfs is under way, then others, all of whom wait for the next one."""
    _, first = start(sync.sync)
    assert gate.entered.acquire(timeout=SECONDS)
    started = [start(sync.sync) for _ in range(waiters)]
    wait_until(lambda: all(is_waiting(thread) for thread, _ in started), SECONDS, "every caller waits")
    return [first, *(outcome for _, outcome in started)]


def test_syncs_for_real(tmp_path: Path) -> None:
    sync = FileSystemSync(str(tmp_path))
    (tmp_path / "file").write_bytes(b"x")
    sync.sync()
    sync.close()


def test_callers_that_come_during_a_syncfs_share_the_next_one(tmp_path: Path) -> None:
    gate = Gate()
    sync = FileSystemSync(str(tmp_path), gate)
    outcomes = wait_for(sync, gate, waiters=8)
    gate.exits.release(2)
    for outcome in outcomes:
        outcome.result(SECONDS)
    assert gate.runs == 2
    sync.close()


def test_each_call_returns_after_a_syncfs_that_began_after_the_call(tmp_path: Path) -> None:
    clock = itertools.count()
    runs: list[tuple[int, int]] = []

    def timed(fd: int) -> None:
        began = next(clock)
        syncfs(fd)
        runs.append((began, next(clock)))

    sync = FileSystemSync(str(tmp_path), timed)

    def call(_: int) -> tuple[int, int]:
        called = next(clock)
        sync.sync()
        return called, next(clock)

    with ThreadPoolExecutor(8) as pool:
        calls = list(pool.map(call, range(200)))
    assert all(any(called < began and ended < returned for began, ended in runs) for called, returned in calls)
    sync.close()


def test_a_failure_reaches_every_caller_that_shared_it_and_no_other(tmp_path: Path) -> None:
    gate = Gate(None, OSError(errno.EIO, os.strerror(errno.EIO)), None)
    sync = FileSystemSync(str(tmp_path), gate)
    first, *others = wait_for(sync, gate, waiters=3)
    gate.exits.release(3)
    first.result(SECONDS)
    errors = [outcome.exception(SECONDS) for outcome in others]
    assert [type(error) for error in errors] == [DataLoss] * 3
    assert {str(error) for error in errors} == {f"sync a file system: {tmp_path}: Input/output error"}
    assert len({id(error) for error in errors}) == 3
    sync.sync()
    sync.close()


def test_an_interrupted_leader_leaves_nobody_waiting_and_nobody_believing(tmp_path: Path) -> None:
    gate = Gate(None, KeyboardInterrupt(), None)
    sync = FileSystemSync(str(tmp_path), gate)
    first, *others = wait_for(sync, gate, waiters=3)
    gate.exits.release(3)
    first.result(SECONDS)
    errors = [outcome.exception(SECONDS) for outcome in others]
    assert sorted(type(error).__name__ for error in errors) == ["Aborted", "Aborted", "KeyboardInterrupt"]
    assert issubclass(Aborted, Error)
    sync.sync()
    sync.close()


def test_closing_waits_for_a_syncfs_releases_the_directory_and_may_be_repeated(tmp_path: Path) -> None:
    before = open_files()
    gate = Gate()
    sync = FileSystemSync(str(tmp_path), gate)
    first, second = wait_for(sync, gate, waiters=1)
    _, closed = start(sync.close)
    gate.exits.release(2)
    first.result(SECONDS)
    closed.result(SECONDS)
    if error := second.exception(SECONDS):  # either may have come first
        assert isinstance(error, FailedPrecondition)
    sync.close()
    assert open_files() == before


def test_a_closed_one_refuses(tmp_path: Path) -> None:
    sync = FileSystemSync(str(tmp_path))
    sync.close()
    with pytest.raises(FailedPrecondition, match="it was closed"):
        sync.sync()


def test_a_missing_directory_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        FileSystemSync(str(tmp_path / "missing"))
