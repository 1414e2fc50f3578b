"""Layers are applied in worker processes."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from lamina.content import Blob
from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DeadlineExceeded, Error, InvalidArgument, ResourceExhausted, Unavailable
from lamina.layers import Limits, LocalDiffer, ParentNeeded
from lamina.layers.workers import WorkerDiffer
from lamina.mount import Mount
from tests.support import leftovers
from tests.support.blobs import blob_in_file
from tests.support.images.built import layer
from tests.support.tar import BLOCK, END, header
from tests.support.waiting import wait_until

SECONDS = 60.0


@pytest.fixture
def workers() -> Iterator[WorkerDiffer]:
    with closing(WorkerDiffer()) as applier:
        yield applier


@pytest.fixture
def mounts(target: Path) -> list[Mount]:
    return [Mount("bind", str(target), ("rbind", "rw"))]


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Blob]:
    """A layer with a file of 7 GiB, all zeros."""
    path, size = tmp_path / "endless", 7 << 30
    path.write_bytes(header(b"file", size=size))
    os.truncate(path, BLOCK + size + len(END))
    with Blob(os.open(path, os.O_RDONLY), path.stat().st_size) as blob:
        yield blob


def test_the_outcome_is_that_of_applying_in_this_process(
    workers: WorkerDiffer, mounts: list[Mount], blob: Blob, target: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    expected = LocalDiffer().apply(blob, [Mount("bind", str(other), ("rbind", "rw"))])
    assert workers.apply(blob, mounts) == expected
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        path.name: path.read_text() for path in other.iterdir()
    }


def test_a_process_applies_one_layer_after_another(workers: WorkerDiffer, mounts: list[Mount], blob: Blob) -> None:
    before = leftovers.children()
    workers.apply(blob, mounts)
    process = leftovers.children() - before
    assert len(process) == 1
    workers.apply(blob, mounts)
    assert leftovers.children() - before == process


def test_processes_are_started_before_the_calls_that_need_them(mounts: list[Mount], blob: Blob) -> None:
    before = leftovers.children()
    with closing(WorkerDiffer(2)) as workers:
        for calls, count in ((1, 1), (5, 2), (2, 2)):
            workers.warm_up(calls)
            started = leftovers.children() - before
            assert len(started) == count
        workers.apply(blob, mounts)
        assert leftovers.children() - before == started
    assert leftovers.children() == before


def test_processes_that_no_call_needed_end() -> None:
    before = leftovers.children()
    with closing(WorkerDiffer(idle_seconds=0.01)) as workers:
        workers.warm_up(2)
        wait_until(lambda: leftovers.children() == before, SECONDS, "the processes have ended")


def test_idle_processes_end(mounts: list[Mount], blob: Blob) -> None:
    before = leftovers.children()
    with closing(WorkerDiffer(idle_seconds=0.01)) as workers:
        workers.apply(blob, mounts)
        wait_until(lambda: leftovers.children() == before, SECONDS, "the process has ended")
        workers.apply(blob, mounts)


def test_more_calls_than_processes_wait(mounts: list[Mount], blob: Blob) -> None:
    before = leftovers.children()
    most = 0

    def look(_: int) -> None:
        nonlocal most
        most = max(most, len(leftovers.children() - before))

    with closing(WorkerDiffer(2)) as workers, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: workers.apply(blob, mounts, progress=look), range(16)))
        look(0)
    assert most == 2


@pytest.mark.parametrize(
    ("data", "limits", "error"),
    [
        (b"no tar archive".ljust(512), Limits(), InvalidArgument),
        (layer({"large": "x" * 10_000}), Limits(bytes=1000), ResourceExhausted),
    ],
)
def test_errors_have_the_class_and_the_text_that_they_have_in_this_process(
    mounts: list[Mount], tmp_path: Path, data: bytes, limits: Limits, error: type[Error]
) -> None:
    with closing(WorkerDiffer(limits=limits)) as workers, blob_in_file(tmp_path / "blob", data) as blob:
        with pytest.raises(error) as expected:
            LocalDiffer(limits).apply(blob, mounts)
        with pytest.raises(error) as found:
            workers.apply(blob, mounts)
    assert str(found.value) == str(expected.value)


def test_a_layer_that_depends_on_its_parent_says_so(
    workers: WorkerDiffer, mounts: list[Mount], tmp_path: Path
) -> None:
    with blob_in_file(tmp_path / "blob", layer({"implied/file": ""})) as blob, pytest.raises(ParentNeeded):
        workers.apply(blob, mounts, rebased=True)


def test_a_process_that_is_killed_fails_one_call_only(
    workers: WorkerDiffer, mounts: list[Mount], blob: Blob, endless: Blob
) -> None:
    before = leftovers.children()

    def kill(_: int) -> None:
        for pid in leftovers.children() - before:
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(Unavailable, match="killed by SIGKILL"):
        workers.apply(endless, mounts, progress=kill)
    workers.apply(blob, mounts)


def test_a_process_that_was_killed_between_two_calls_is_replaced(
    workers: WorkerDiffer, mounts: list[Mount], blob: Blob
) -> None:
    before = leftovers.children()
    workers.apply(blob, mounts)
    (process,) = leftovers.children() - before
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    workers.apply(blob, mounts)


def test_a_cancelled_call_ends_its_process(workers: WorkerDiffer, mounts: list[Mount], endless: Blob) -> None:
    before, context = leftovers.children(), CallContext()
    with use(context), pytest.raises(Canceled):
        workers.apply(endless, mounts, progress=lambda _: context.cancel())
    assert leftovers.children() == before


def test_a_call_ends_at_its_deadline(workers: WorkerDiffer, mounts: list[Mount], endless: Blob) -> None:
    before = leftovers.children()
    with use(CallContext(deadline=time.monotonic() + 0.2)), pytest.raises(DeadlineExceeded):
        workers.apply(endless, mounts)
    assert leftovers.children() == before


def test_a_call_that_waits_for_a_process_ends_with_its_context(mounts: list[Mount], endless: Blob) -> None:
    context, begun = CallContext(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with closing(WorkerDiffer(1)) as workers:
            busy = pool.submit(workers.apply, endless, mounts, progress=lambda _: begun.set())
            assert begun.wait(SECONDS)
            context.cancel()
            with use(context), pytest.raises(Canceled):
                workers.apply(endless, mounts)
        with pytest.raises(Unavailable):
            busy.result(SECONDS)


def test_a_closed_applier_ends_what_it_does_and_refuses_more(
    mounts: list[Mount], blob: Blob, endless: Blob
) -> None:
    before = leftovers.children()
    workers = WorkerDiffer()
    with pytest.raises(Unavailable):
        workers.apply(endless, mounts, progress=lambda _: workers.close())
    workers.close()
    with pytest.raises(Unavailable, match="closed"):
        workers.apply(blob, mounts)
    assert leftovers.children() == before


def test_a_process_ends_with_its_owner_in_the_middle_of_a_layer(endless: Blob, target: Path) -> None:
    program = f"""
import os, signal
from lamina.content import Blob
from lamina.layers.workers import WorkerDiffer
from lamina.mount import Mount
def end(_):
    print(*open("/proc/self/task/%d/children" % os.getpid()).read().split(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
mounts = [Mount("bind", {str(target)!r}, ("rbind", "rw"))]
WorkerDiffer().apply(Blob({endless.fd}, {endless.size}), mounts, progress=end)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], pass_fds=(endless.fd,), stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    (worker,) = map(int, done.stdout.split())
    wait_until(lambda: not Path(f"/proc/{worker}/exe").exists(), SECONDS, "the worker has ended")


def test_a_process_ends_silently_when_its_owner_dies_without_reading_the_answer() -> None:
    program = "import sys; from lamina.layers.workers._process import main; main(int(sys.argv[1]))"
    for _ in range(5):
        own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-c", program, str(other.fileno())]
        with other, subprocess.Popen(command, pass_fds=[other.fileno()], stderr=subprocess.PIPE) as process:
            other.close()
            with own:
                own.send(b"no request")
                assert select.select([own], [], [], SECONDS)[0]
            assert process.communicate(timeout=SECONDS) == (None, b"")
