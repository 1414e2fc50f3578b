from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DataLoss, DeadlineExceeded, FailedPrecondition, NotFound, ResourceExhausted
from lamina.fs import FileSystemSync
from lamina.fs._syscalls import syncfs
from tests.support.commands import run
from tests.support.trees import open_files
from tests.support.waiting import wait_until

SECONDS = 60


class Gate:
    """A real syncfs whose n-th run waits for `open`."""

    def __init__(self, *outcomes: OSError | None) -> None:
        """`outcomes` are the errors that the runs raise, in order."""
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
        except BaseException as error:  # noqa: BLE001 - returned to the test
            outcome.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def is_waiting(thread: threading.Thread) -> bool:
    """Return whether a thread waits in `sync`."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code is FileSystemSync.sync.__code__ and "unregister" in frame.f_locals


def wait_for(sync: FileSystemSync, gate: Gate, waiters: int) -> list[Future[None]]:
    """Start one caller whose syncfs is running, then others that wait for the next one."""
    _, first = start(sync.sync)
    assert gate.entered.acquire(timeout=SECONDS)
    started = [start(sync.sync) for _ in range(waiters)]
    wait_until(lambda: all(is_waiting(thread) for thread, _ in started), SECONDS, "every caller waits")
    return [first, *(outcome for _, outcome in started)]


SYNC = """
import sys
from lamina.fs import FileSystemSync

sync = FileSystemSync(sys.argv[1])
sync.sync()
sync.close()
"""


@pytest.mark.requires("strace")
def test_a_sync_is_a_syncfs_on_the_directory(tmp_path: Path) -> None:
    trace = ("strace", "-f", "-y", "-e", "trace=syncfs", "-o", tmp_path / "trace")
    run(*trace, sys.executable, "-c", SYNC, tmp_path)
    assert re.findall(r"syncfs\(\d+<(.*)>\) += 0", (tmp_path / "trace").read_text()) == [str(tmp_path)]


def test_callers_during_a_syncfs_share_the_next_one(tmp_path: Path) -> None:
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


def test_a_failure_is_raised_in_exactly_the_callers_that_shared_it(tmp_path: Path) -> None:
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


class LockWithoutMemory:
    """A lock that cannot be taken by its second user, the thread of the first sync."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = itertools.count(1)

    def __enter__(self) -> None:
        if next(self._users) == 2:
            raise MemoryError
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_a_sync_without_the_memory_to_begin_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(FileSystemSync(str(tmp_path))) as sync:
        monkeypatch.setattr(sync, "_lock", LockWithoutMemory())
        with pytest.raises(MemoryError):
            sync.sync()
        sync.sync()


def test_a_failure_is_reported_before_the_next_syncfs_begins(tmp_path: Path) -> None:
    """A caller whose own syncfs succeeds afterwards can detect it."""
    seen: list[str] = []
    errors = iter([OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), None])

    def failing(_: int) -> None:
        seen.append("begun")
        error = next(errors)
        if error is not None:
            raise error

    sync = FileSystemSync(str(tmp_path), failing, on_failure=lambda: seen.append("told"))
    with pytest.raises(ResourceExhausted):
        sync.sync()
    sync.sync()
    sync.close()
    assert (seen, sync.failures) == (["begun", "told", "begun"], 1)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[FileSystemSync, Gate]]:
    """A sync whose first syncfs runs until the gate is opened, by the test or at its end."""
    gate = Gate()
    sync = FileSystemSync(str(tmp_path), gate)
    (first,) = wait_for(sync, gate, waiters=0)
    yield sync, gate
    gate.exits.release(100)
    first.result(SECONDS)
    sync.close()


def test_a_cancelled_call_returns_and_the_others_get_their_syncfs(held: tuple[FileSystemSync, Gate]) -> None:
    sync, gate = held
    context = CallContext()

    def call() -> None:
        with use(context):
            sync.sync()

    thread, cancelled = start(call)
    other_thread, other = start(sync.sync)
    wait_until(lambda: is_waiting(thread) and is_waiting(other_thread), SECONDS, "both wait")
    context.cancel()
    assert isinstance(cancelled.exception(SECONDS), Canceled)
    assert not other.done()
    gate.exits.release(2)
    other.result(SECONDS)
    assert gate.runs == 2


def test_a_call_waits_until_its_deadline(held: tuple[FileSystemSync, Gate]) -> None:
    sync, _ = held
    with use(CallContext(deadline=time.monotonic() + 0.01)), pytest.raises(DeadlineExceeded):
        sync.sync()


def test_a_cancelled_call_starts_no_syncfs(tmp_path: Path) -> None:
    gate = Gate()
    sync = FileSystemSync(str(tmp_path), gate)
    with use(CallContext(cancelled=True)), pytest.raises(Canceled):
        sync.sync()
    sync.close()
    assert gate.runs == 0


def test_ctrl_c_ends_only_the_wait_of_the_main_thread(held: tuple[FileSystemSync, Gate]) -> None:
    sync, gate = held
    main = threading.main_thread()
    assert threading.current_thread() is main
    other_thread, other = start(sync.sync)

    def interrupt() -> None:
        wait_until(lambda: is_waiting(main) and is_waiting(other_thread), SECONDS, "both wait")
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    _, interrupted = start(interrupt)
    with pytest.raises(KeyboardInterrupt):
        sync.sync()
    interrupted.result(SECONDS)
    gate.exits.release(2)
    other.result(SECONDS)
    gate.exits.release()
    sync.sync()
    assert gate.runs == 3


def test_close_waits_for_requested_syncs_and_may_be_repeated(tmp_path: Path) -> None:
    files, threads = open_files(), set(threading.enumerate())
    gate = Gate()
    sync = FileSystemSync(str(tmp_path), gate)
    outcomes = wait_for(sync, gate, waiters=1)
    _, closed = start(sync.close)
    gate.exits.release(2)
    closed.result(SECONDS)
    for outcome in outcomes:
        outcome.result(SECONDS)
    sync.close()
    assert open_files() == files
    wait_until(lambda: threads >= set(threading.enumerate()), SECONDS, "every thread has ended")


def test_a_closed_sync_refuses_calls(tmp_path: Path) -> None:
    sync = FileSystemSync(str(tmp_path))
    sync.close()
    with pytest.raises(FailedPrecondition, match="already closed"):
        sync.sync()


def test_a_missing_directory_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        FileSystemSync(str(tmp_path / "missing"))
