"""Slow work in a thread of its own."""

from __future__ import annotations

import threading
import time

import pytest

from lamina.context import CallContext, current, use
from lamina.errdefs import Canceled, DeadlineExceeded, NotFound, Unavailable
from lamina.images import Progress, Report
from lamina.plugins.transfer._work import Work


def endless(report: Report) -> None:
    """Work that only ends with its call."""
    report(Progress("sha256:a", "import", 1, 2))
    while True:
        current().check()
        time.sleep(0.001)


def test_the_result_follows_the_progress() -> None:
    def do(report: Report) -> str:
        for done in range(3):
            report(Progress("sha256:a", "import", done, 2))
        return "done"

    with Work(do) as work:
        assert [*work.progress()][-1][-1] == Progress("sha256:a", "import", 2, 2)
        assert work.result() == "done"


def test_only_the_latest_progress_of_a_blob_is_kept() -> None:
    def do(report: Report) -> None:
        for done in range(1000):
            report(Progress("sha256:a", "import", done, 999))
            report(Progress("sha256:a", "unpack", done, 999))

    with Work(do) as work:
        work._thread.join()
        assert [*work.progress()] == [[Progress("sha256:a", what, 999, 999) for what in ("import", "unpack")]]


def test_an_error_is_raised_as_the_result() -> None:
    def do(_report: Report) -> None:
        raise NotFound("no such image")

    with Work(do) as work:
        assert [*work.progress()] == []
        with pytest.raises(NotFound, match="no such image"):
            work.result()


def test_work_knows_the_namespace_of_its_call() -> None:
    with use(CallContext(namespace="k8s.io")), Work(lambda _report: current().namespace) as work:
        assert [*work.progress()] == []
        assert work.result() == "k8s.io"


def test_work_ends_with_its_call() -> None:
    with use(CallContext()) as call, Work(endless) as work:
        progress = work.progress()
        next(progress)
        call.cancel()
        assert [*progress] == []
        with pytest.raises(Canceled):
            work.result()


def test_work_that_is_cancelled_raises_the_reason() -> None:
    with use(CallContext()) as call, Work(endless) as work:
        progress = work.progress()
        next(progress)
        call.cancel(Unavailable("the host stops"))
        assert [*progress] == []
        with pytest.raises(Unavailable, match=r"^the host stops$"):
            work.result()


def test_work_obeys_the_deadline_of_its_call() -> None:
    with use(CallContext(deadline=time.monotonic())), Work(endless) as work:
        assert [one for changed in work.progress() for one in changed][1:] == []
        with pytest.raises(DeadlineExceeded):
            work.result()


def test_work_has_ended_when_its_stream_is_closed() -> None:
    def stream() -> object:
        with Work(endless) as work:
            yield from work.progress()

    before = set(threading.enumerate())
    progress = stream()
    next(progress)
    (thread,) = (one for one in set(threading.enumerate()) - before if one.name == "transfer")
    progress.close()
    assert not thread.is_alive()
