"""The trace ids of work done on behalf of other calls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.context import CallContext, current, use
from lamina.errdefs import NotFound
from lamina.plugins.snapshots.overlay import OverlayBackend
from lamina.snapshots.storage import Record
from lamina.store._environment import Environment
from tests.support.snapshotters.local import open_local
from tests.support.waiting import wait_until

SECONDS = 60


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    (tmp_path / "environment").mkdir()
    environment = Environment(str(tmp_path / "environment"))
    yield environment
    environment.close()


class TraceIds(logging.Handler):
    """Notes which call each line was written for."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.of[record.getMessage()] = current().trace_id


@pytest.fixture
def trace_ids() -> Iterator[TraceIds]:
    handler = TraceIds()
    logging.root.addHandler(handler)
    yield handler
    logging.root.removeHandler(handler)


def test_an_operation_that_fails_in_a_shared_commit_logs_the_id_of_its_own_call(
    environment: Environment, trace_ids: TraceIds
) -> None:
    entered, go = threading.Event(), threading.Event()

    def hold(_transaction: object) -> None:
        entered.set()
        assert go.wait(SECONDS)

    def fail(_transaction: object) -> None:
        logging.getLogger(__name__).warning("failing %s", threading.current_thread().name)
        logging.getLogger(__name__).warning("failed for %s", current().trace_id)
        raise NotFound("x")

    def write(trace_id: str, body: object) -> None:
        with use(CallContext(trace_id=trace_id)):
            environment.write(body)

    with ThreadPoolExecutor(6) as threads:
        first = threads.submit(write, "first", hold)
        assert entered.wait(SECONDS)
        others = [threads.submit(write, f"call {number}", fail) for number in range(5)]
        wait_until(lambda: len(environment._commits._waiting) == 5, SECONDS, "the others to wait")
        go.set()
        first.result()
        assert all(isinstance(other.exception(), NotFound) for other in others)
    failing = {message for message in trace_ids.of if message.startswith("failing ")}
    assert len(failing) == 1, "one thread must have run all of them"
    assert {message: id_ for message, id_ in trace_ids.of.items() if message not in failing} == {
        f"failed for call {number}": f"call {number}" for number in range(5)
    }


def test_log_lines_of_a_shared_commit_have_no_trace_id(
    environment: Environment, trace_ids: TraceIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recover(_error: Exception) -> None:
        logging.getLogger(__name__).error("recovering")

    def end(_transaction: object) -> None:
        raise MemoryError

    monkeypatch.setattr(environment._transactions, "_recover", recover)
    monkeypatch.setattr(environment._transactions, "_operations", None)  # the commit itself then fails
    with use(CallContext(trace_id="mine")), pytest.raises(Exception, match="observe"):
        environment.write(lambda _transaction: None)
    assert trace_ids.of == {"recovering": ""}


class Uncommitted(OverlayBackend):
    """A backend whose `committed` fails."""

    def committed(self, record: Record) -> None:
        raise OSError("stuck")


def test_log_lines_of_a_cancelled_call_have_its_trace_id(tmp_path: Path, trace_ids: TraceIds) -> None:
    (tmp_path / "overlay").mkdir()
    with open_local(tmp_path / "metastore", Uncommitted(str(tmp_path / "overlay")), "overlayfs") as overlay:
        overlay.prepare("a")
        with use(CallContext(trace_id="mine")):
            overlay.commit("c", "a")
    assert trace_ids.of == {"could not discard the data that only the active snapshot needed": "mine"}


def test_log_lines_of_background_deletions_have_no_trace_id(tmp_path: Path, trace_ids: TraceIds) -> None:
    deleted = threading.Event()

    class Telling(OverlayBackend):
        def destroy(self, path: str) -> None:
            logging.getLogger(__name__).warning("deleting")
            super().destroy(path)
            deleted.set()

    (tmp_path / "overlay").mkdir()
    with (
        open_local(tmp_path / "metastore", Telling(str(tmp_path / "overlay")), "overlayfs") as overlay,
        use(CallContext(trace_id="mine")),
    ):
        overlay.prepare("a")
        overlay.remove("a")
        assert deleted.wait(SECONDS)
    assert trace_ids.of == {"deleting": ""}
