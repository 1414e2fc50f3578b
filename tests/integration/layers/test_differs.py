"""Differs: what makes layers of two trees, in this process and in worker processes."""

from __future__ import annotations

import io
import os
import random
import signal
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
from lamina.errdefs import (
    Aborted,
    Canceled,
    DeadlineExceeded,
    FailedPrecondition,
    NotFound,
    ResourceExhausted,
    Unavailable,
    Unimplemented,
)
from lamina.layers import Applied, Compression, Differ, LocalDiffer, WrittenLayer
from lamina.layers.workers import WorkerDiffer
from lamina.mount import Mount
from lamina.testing import differences, read_tree
from tests.support import leftovers, tar
from tests.support.blobs import blob_in_file, digest_of
from tests.support.comparing import layer, shown
from tests.support.random_trees import make_tree
from tests.support.trees import open_files
from tests.support.waiting import wait_until

SECONDS = 60.0
KINDS = {"local": LocalDiffer, "worker": lambda: WorkerDiffer(1)}


@pytest.fixture(params=KINDS)
def differ(request: pytest.FixtureRequest) -> Iterator[Differ]:
    with closing(KINDS[request.param]()) as differ:
        yield differ


@pytest.fixture
def workers() -> Iterator[WorkerDiffer]:
    with closing(WorkerDiffer()) as differ:
        yield differ


@pytest.fixture
def trees(tmp_path: Path) -> tuple[list[Mount], list[Mount]]:
    """A tree, and one in which a file changed and a file is gone."""
    for name in ("old", "new"):
        (tmp_path / name / "dir").mkdir(parents=True)
        (tmp_path / name / "dir/kept").write_text(name)
    (tmp_path / "old/dir/gone").touch()
    return shown(tmp_path / "old"), shown(tmp_path / "new")


@pytest.fixture
def large(tmp_path: Path) -> list[Mount]:
    """A tree with a file of 7 GiB, all zeros."""
    (tmp_path / "large").mkdir()
    (tmp_path / "large/file").touch()
    os.truncate(tmp_path / "large/file", 7 << 30)
    return shown(tmp_path / "large")


def compare(
    differ: Differ, lower: list[Mount], upper: list[Mount], compression: Compression = Compression.NONE
) -> tuple[WrittenLayer, bytes]:
    buffer = io.BytesIO()
    written = differ.compare(lower, upper, buffer.write, compression=compression)
    return written, buffer.getvalue()


def drop(_: bytes | memoryview) -> None:
    pass


@pytest.mark.parametrize("compression", Compression)
def test_the_result_says_what_was_written(
    differ: Differ, trees: tuple[list[Mount], list[Mount]], compression: Compression
) -> None:
    written, data = compare(differ, *trees, compression)
    archive = layer(*trees)
    assert written == WrittenLayer(digest_of(archive), digest_of(data), len(data), len(archive), 3)
    assert tar.read(data).names == [b"dir/", b"dir/.wh.gone", b"dir/kept"]


def test_a_layer_is_compressed_with_gzip_unless_told_otherwise(
    differ: Differ, trees: tuple[list[Mount], list[Mount]]
) -> None:
    buffer = io.BytesIO()
    differ.compare(*trees, buffer.write)
    assert buffer.getvalue().startswith(b"\x1f\x8b")


def test_equal_trees_give_a_layer_without_entries(differ: Differ, trees: tuple[list[Mount], list[Mount]]) -> None:
    written, data = compare(differ, trees[0], trees[0])
    assert (written.entries, data) == (0, tar.END)


@pytest.mark.requires("root")
def test_a_layer_of_everything_gives_the_tree(differ: Differ, tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", random.Random(1), limited=False, devices=True)
    (tmp_path / "out").mkdir()
    _, data = compare(differ, [], shown(tmp_path / "tree"), Compression.ZSTD)
    with blob_in_file(tmp_path / "blob", data) as blob:
        differ.apply(blob, [Mount("bind", str(tmp_path / "out"), ("rbind", "rw"))])
    found = [
        difference
        for difference in differences(read_tree(tmp_path / "out"), read_tree(tmp_path / "tree"))
        if "mtime" not in difference
    ]
    assert found == []


def test_the_latest_time_can_be_given(differ: Differ, trees: tuple[list[Mount], list[Mount]]) -> None:
    buffer = io.BytesIO()
    differ.compare(*trees, buffer.write, compression=Compression.NONE, source_date_epoch=7)
    assert {entry.mtime for entry in tar.read(buffer.getvalue()).entries} == {0, 7_000_000_000}
    assert buffer.getvalue() == layer(*trees, source_date_epoch=7)


def test_progress_counts_the_bytes_of_files(differ: Differ, tmp_path: Path) -> None:
    """At least once in what takes longer than a moment, and never back."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").touch()
    os.truncate(tmp_path / "tree/file", 1 << 28)
    done: list[int] = []
    differ.compare([], shown(tmp_path / "tree"), drop, compression=Compression.NONE, progress=done.append)
    assert done == sorted(done)
    assert 0 < done[-1] <= 1 << 28


@pytest.mark.requires("root", "overlay")
def test_trees_may_be_overlays(differ: Differ, tmp_path: Path) -> None:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower/old").touch()
    (tmp_path / "upper/new").touch()
    lower = [Mount("bind", f"{tmp_path}/lower", ("rbind", "ro"))]
    options = (f"lowerdir={tmp_path}/lower", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work")
    _, data = compare(differ, lower, [Mount("overlay", "overlay", options)])
    assert tar.read(data).names == [b"new"]


def test_an_error_of_the_receiver_ends_the_comparison(
    differ: Differ, large: list[Mount], trees: tuple[list[Mount], list[Mount]]
) -> None:
    """And the differ can be used again."""

    def fail(_: bytes | memoryview) -> None:
        raise ResourceExhausted("the disk is full")

    with pytest.raises(ResourceExhausted, match="the disk is full"):
        differ.compare([], large, fail)
    assert compare(differ, *trees)[0].entries == 3


def test_an_error_of_the_system_at_the_receiver_is_passed_on(
    differ: Differ, trees: tuple[list[Mount], list[Mount]]
) -> None:
    """It is none of the tree."""

    def fail(_: bytes | memoryview) -> None:
        raise FileNotFoundError(2, "gone", "the receiver")

    with pytest.raises(FileNotFoundError, match="the receiver"):
        differ.compare(*trees, fail)


def test_errors_have_their_class_and_text(differ: Differ, tmp_path: Path) -> None:
    (tmp_path / "tree/dir").mkdir(parents=True)
    (tmp_path / "tree/dir/.wh.file").touch()
    with pytest.raises(FailedPrecondition, match=r"dir/\.wh\.file has a name that starts with \.wh\."):
        compare(differ, [], shown(tmp_path / "tree"))
    with pytest.raises(NotFound, match="missing"):
        compare(differ, [], shown(tmp_path / "missing"))


def test_no_descriptor_stays_open(trees: tuple[list[Mount], list[Mount]]) -> None:
    """Neither here, whatever the outcome, nor in the process."""
    before, workers_before = open_files(), leftovers.children()
    with closing(WorkerDiffer(1)) as differ:
        compare(differ, *trees)
        (process,) = leftovers.children() - workers_before
        idle = len(os.listdir(f"/proc/{process}/fd"))
        with pytest.raises(NotFound):
            compare(differ, trees[0], shown(Path("/missing")))
        compare(differ, *trees)
        assert len(os.listdir(f"/proc/{process}/fd")) == idle
    assert open_files() == before


@pytest.mark.requires("root", "overlay")
def test_more_layers_than_can_be_sent_are_compared_in_another_way(workers: WorkerDiffer, tmp_path: Path) -> None:
    """As many descriptors do not fit into a message to a process."""
    layers = []
    for number in range(300):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}/{number}").touch()
        layers.insert(0, f"{tmp_path}/{number}")
    upper = [Mount("overlay", "overlay", (f"lowerdir={':'.join(layers)}",))]
    written, data = compare(workers, [Mount("bind", layers[-1], ("rbind", "ro"))], upper)
    assert written.entries == 299
    assert data == layer([Mount("bind", layers[-1], ("rbind", "ro"))], upper)


def test_a_file_that_grows_while_it_is_read_is_an_error(differ: Differ, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    file = tmp_path / "tree/file"
    file.touch()
    os.truncate(file, 1 << 26)
    grown = False

    def grow(_: bytes | memoryview) -> None:
        nonlocal grown
        if not grown:
            os.truncate(file, 1 << 27)
            grown = True

    with pytest.raises(Aborted, match="'file' changed while it was read; try again"):
        differ.compare([], shown(tmp_path / "tree"), grow, compression=Compression.NONE)


def test_a_differ_may_only_apply(trees: tuple[list[Mount], list[Mount]]) -> None:
    class Half(Differ):
        def apply(self, *_: object, **__: object) -> Applied:
            raise NotImplementedError

    with pytest.raises(Unimplemented, match="only applies layers"):
        compare(Half(), *trees)


def test_a_cancelled_comparison_ends_its_process(workers: WorkerDiffer, large: list[Mount]) -> None:
    before, context = leftovers.children(), CallContext()
    with use(context), pytest.raises(Canceled):
        workers.compare([], large, lambda _: context.cancel())
    assert leftovers.children() == before


def test_a_comparison_ends_at_its_deadline(workers: WorkerDiffer, large: list[Mount]) -> None:
    before = leftovers.children()
    with use(CallContext(deadline=time.monotonic() + 0.2)), pytest.raises(DeadlineExceeded):
        workers.compare([], large, drop)
    assert leftovers.children() == before


def test_a_process_that_is_killed_fails_one_comparison_only(
    workers: WorkerDiffer, large: list[Mount], trees: tuple[list[Mount], list[Mount]]
) -> None:
    before = leftovers.children()

    def kill(_: bytes | memoryview) -> None:
        for pid in leftovers.children() - before:
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(Unavailable, match="killed by SIGKILL while it compared trees; try again"):
        workers.compare([], large, kill)
    assert compare(workers, *trees)[0].entries == 3


def test_one_process_serves_both_kinds_of_calls(
    workers: WorkerDiffer, trees: tuple[list[Mount], list[Mount]], target: Path, blob: Blob
) -> None:
    before = leftovers.children()
    workers.apply(blob, [Mount("bind", str(target), ("rbind", "rw"))])
    process = leftovers.children() - before
    compare(workers, *trees)
    assert leftovers.children() - before == process


def test_the_process_waits_for_a_slow_receiver(workers: WorkerDiffer, large: list[Mount]) -> None:
    """It takes no more memory than what fits into its socket."""
    before, received, go_on = leftovers.children(), threading.Event(), threading.Event()
    context = CallContext()

    def wait(_: bytes | memoryview) -> None:
        received.set()
        go_on.wait(SECONDS)

    def call() -> None:
        with use(context):
            workers.compare([], large, wait, compression=Compression.NONE)

    with ThreadPoolExecutor(1) as pool:
        comparison = pool.submit(call)
        assert received.wait(SECONDS)
        (process,) = leftovers.children() - before
        wait_until(lambda: _state(process) == "S", SECONDS, "the process sleeps")
        context.cancel()
        go_on.set()
        with pytest.raises(Canceled):
            comparison.result(SECONDS)


def _state(process: int) -> str:
    """The state of a process (proc_pid_stat(5))."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_process_ends_with_its_owner_in_the_middle_of_a_comparison(large: list[Mount]) -> None:
    program = f"""
import os, signal
from lamina.layers.workers import WorkerDiffer
from lamina.mount import Mount
def end(_):
    print(*open("/proc/self/task/%d/children" % os.getpid()).read().split(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
WorkerDiffer().compare([], [Mount("bind", {large[0].source!r}, ("rbind", "ro"))], end)
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    (worker,) = map(int, done.stdout.split())
    wait_until(lambda: not Path(f"/proc/{worker}/exe").exists(), SECONDS, "the worker has ended")
