"""Checks of cancelled calls and deadlines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DeadlineExceeded
from lamina.snapshots import Info, Snapshotter
from lamina.testing._checks.subject import Checks, Subject, assert_same, keys

CALLS: dict[str, Callable[[Snapshotter], Any]] = {
    "prepare": lambda snapshotter: snapshotter.prepare("new", "base"),
    "view": lambda snapshotter: snapshotter.view("new", "base"),
    "commit": lambda snapshotter: snapshotter.commit("new", "active"),
    "remove": lambda snapshotter: snapshotter.remove("active"),
    "update": lambda snapshotter: snapshotter.update(Info("active", labels={"x": "1"})),
    "usage": lambda snapshotter: snapshotter.usage("active"),
    "walk": lambda snapshotter: list(snapshotter.walk()),
}


class CancelAfter(CallContext):
    """A call context that is cancelled at the nth call of `check`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def check(self) -> None:
        """Cancel at the nth call, then check as the base class does."""
        self._left -= 1
        if self._left <= 0:
            self.cancel()
        super().check()


def write_many(root: Path) -> None:
    """Write enough entries for an operation to be interrupted."""
    for number in range(20):
        (root / f"d{number}").mkdir()
        (root / f"d{number}/file").write_bytes(b"x" * 5000)


class CallChecks(Checks):
    """A cancelled call has either its full effect or none. It may also complete normally."""

    @pytest.mark.parametrize("operation", CALLS)
    def test_a_cancelled_call_does_all_or_nothing(self, subject: Subject, operation: str) -> None:
        """If it raises Canceled, it changed nothing."""
        context = CallContext()
        context.cancel()
        self._try(subject, operation, context, Canceled)

    @pytest.mark.parametrize("operation", CALLS)
    def test_a_call_past_its_deadline_does_all_or_nothing(self, subject: Subject, operation: str) -> None:
        """If it raises DeadlineExceeded, it changed nothing."""
        self._try(subject, operation, CallContext(deadline=0.0), DeadlineExceeded)

    @staticmethod
    def _try(subject: Subject, operation: str, context: CallContext, error: type[Exception]) -> None:
        tree = subject.layer("base", write_many)
        snapshotter = subject.snapshotter
        snapshotter.prepare("active", "base")
        before, data = list(snapshotter.walk()), _data(subject)
        with use(context):
            try:
                CALLS[operation](snapshotter)
            except error:
                assert walk_uncancelled(snapshotter) == before
            else:
                return
        assert _data(subject) == data
        assert_same(subject.active_tree("active"), tree)
        CALLS[operation](snapshotter)  # succeeds without cancellation

    @pytest.mark.parametrize("number", [1, 2, 5, 20])
    def test_a_prepare_that_is_given_up_on_the_way_leaves_nothing(self, subject: Subject, number: int) -> None:
        """At whichever point it was cancelled."""
        if not subject.traits.in_process:
            number = 1  # later, the other process may complete the call
        tree = subject.layer("base", write_many)
        snapshotter = subject.snapshotter
        data = _data(subject)
        try:
            with use(CancelAfter(number)):
                snapshotter.prepare("new", "base")
        except Canceled:
            assert keys(snapshotter) == ["base"]
            assert _data(subject) == data
            snapshotter.prepare("new", "base")
        assert_same(subject.active_tree("new"), tree)

    def test_a_commit_that_is_given_up_leaves_the_active_snapshot(self, subject: Subject) -> None:
        """With its content."""
        tree = subject.layer("base", write_many)
        snapshotter = subject.snapshotter
        snapshotter.prepare("active", "base")
        try:
            with use(CancelAfter(1)):
                snapshotter.commit("new", "active")
        except Canceled:
            assert keys(snapshotter) == ["active", "base"]
            snapshotter.commit("new", "active")
        assert_same(subject.tree("new"), tree)


def walk_uncancelled(snapshotter: Snapshotter) -> list[Info]:
    """Return all infos in a context that is not cancelled."""
    with use(CallContext()):
        return list(snapshotter.walk())


def _data(subject: Subject) -> frozenset[str] | None:
    if subject.traits.cleanup:
        subject.snapshotter.cleanup()
    return subject.data()
