"""Checks of refused calls: the error class, and the precedence of two errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lamina.errdefs import AlreadyExists, Error, FailedPrecondition, InvalidArgument, NotFound
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.testing._checks.subject import Checks, Subject, keys

Call = Callable[[Snapshotter], Any]

ON_MISSING: dict[str, Call] = {
    "stat": lambda snapshotter: snapshotter.stat("absent"),
    "usage": lambda snapshotter: snapshotter.usage("absent"),
    "mounts": lambda snapshotter: snapshotter.mounts("absent"),
    "commit": lambda snapshotter: snapshotter.commit("name", "absent"),
    "remove": lambda snapshotter: snapshotter.remove("absent"),
    "update": lambda snapshotter: snapshotter.update(Info("absent", labels={"x": "1"})),
    "prepare": lambda snapshotter: snapshotter.prepare("key", "absent"),
    "view": lambda snapshotter: snapshotter.view("key", "absent"),
}
"""Operations on snapshots that do not exist."""

REFUSED_COMMITS: dict[str, tuple[str, str, str, type[Error]]] = {
    "to a name that is taken": ("base", "active", "", AlreadyExists),
    "to its own key": ("active", "active", "", AlreadyExists),
    "of nothing to a name that is taken": ("base", "absent", "", AlreadyExists),
    "of a view to a name that is taken": ("base", "view", "", AlreadyExists),
    "of a view": ("new", "view", "", FailedPrecondition),
    "of a committed snapshot": ("new", "base", "", FailedPrecondition),
    "of a view with another parent": ("new", "view", "absent", FailedPrecondition),
    "with another parent": ("new", "child", "other", InvalidArgument),
    "with another parent that does not exist": ("new", "child", "absent", InvalidArgument),
}
"""The name, key and parent of a commit, and the expected error class."""


class ErrorChecks(Checks):
    """Refused calls."""

    @pytest.mark.parametrize("operation", ON_MISSING)
    def test_what_does_not_exist_is_not_found(self, snapshotter: Snapshotter, operation: str) -> None:
        """The message names the key, in an empty snapshotter and in another one."""
        with pytest.raises(NotFound, match="absent"):
            ON_MISSING[operation](snapshotter)
        snapshotter.prepare("something")
        with pytest.raises(NotFound, match="absent"):
            ON_MISSING[operation](snapshotter)
        assert keys(snapshotter) == ["something"]

    @pytest.mark.parametrize("parent", ["active", "view"])
    @pytest.mark.parametrize("operation", ["prepare", "view"])
    def test_only_a_committed_snapshot_can_be_a_parent(
        self, snapshotter: Snapshotter, operation: str, parent: str
    ) -> None:
        """Other parents raise InvalidArgument."""
        snapshotter.prepare("active")
        snapshotter.view("view")
        with pytest.raises(InvalidArgument):
            getattr(snapshotter, operation)("key", parent)
        assert keys(snapshotter) == ["active", "view"]

    @pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name.lower())
    @pytest.mark.parametrize("operation", ["prepare", "view"])
    def test_a_key_is_taken_whatever_kind_has_it(
        self, snapshotter: Snapshotter, operation: str, kind: Kind
    ) -> None:
        """Keys and names share one namespace. The existing snapshot is unchanged."""
        match kind:
            case Kind.ACTIVE:
                snapshotter.prepare("key")
            case Kind.VIEW:
                snapshotter.view("key")
            case Kind.COMMITTED:
                snapshotter.prepare("active")
                snapshotter.commit("key", "active")
        before = snapshotter.stat("key")
        with pytest.raises(AlreadyExists):
            getattr(snapshotter, operation)("key")
        assert list(snapshotter.walk()) == [before]

    def test_a_missing_parent_is_met_before_a_taken_key(self, snapshotter: Snapshotter) -> None:
        """As in containerd."""
        snapshotter.prepare("key")
        with pytest.raises(NotFound):
            snapshotter.prepare("key", "absent")
        with pytest.raises(NotFound):
            snapshotter.view("key", "absent")

    def test_an_uncommitted_parent_is_met_before_a_taken_key(self, snapshotter: Snapshotter) -> None:
        """As in containerd."""
        snapshotter.prepare("key")
        with pytest.raises(InvalidArgument):
            snapshotter.prepare("key", "key")

    @pytest.mark.parametrize("case", REFUSED_COMMITS)
    def test_a_commit_is_refused(self, subject: Subject, case: str) -> None:
        """A refused commit changes nothing."""
        name, key, parent, error = REFUSED_COMMITS[case]
        subject.layer("base")
        subject.layer("other")
        snapshotter = subject.snapshotter
        snapshotter.prepare("active")
        snapshotter.prepare("child", "base")
        snapshotter.view("view", "base")
        before = list(snapshotter.walk())
        with pytest.raises(error):
            snapshotter.commit(name, key, parent=parent)
        assert list(snapshotter.walk()) == before

    def test_a_commit_may_name_the_parent_that_the_snapshot_has(self, subject: Subject) -> None:
        """The parameter then has no effect."""
        subject.layer("base")
        subject.snapshotter.prepare("child", "base")
        subject.snapshotter.commit("new", "child", parent="base")
        assert subject.snapshotter.stat("new").parent == "base"

    def test_a_refused_commit_leaves_the_active_snapshot_usable(self, subject: Subject) -> None:
        """It can be committed to another name."""
        subject.layer("base")
        subject.snapshotter.prepare("active", "base")
        with pytest.raises(AlreadyExists):
            subject.snapshotter.commit("base", "active")
        subject.snapshotter.commit("new", "active")
        assert keys(subject.snapshotter) == ["base", "new"]

    def test_a_committed_snapshot_has_no_mounts(self, subject: Subject) -> None:
        """Clients prepare or view a child instead."""
        subject.layer("base")
        with pytest.raises(FailedPrecondition):
            subject.snapshotter.mounts("base")

    def test_only_labels_can_be_updated(self, snapshotter: Snapshotter) -> None:
        """Any other field path makes the whole update fail."""
        snapshotter.prepare("a", labels={"x": "1"})
        before = snapshotter.stat("a")
        for path in ("parent", "name", "kind", "created", "updated", "Labels", "x.y", ""):
            with pytest.raises(InvalidArgument):
                snapshotter.update(Info("a", labels={"x": "2"}), ("labels.x", path))
            assert snapshotter.stat("a") == before, path

    def test_a_missing_snapshot_is_met_before_a_bad_field_path(self, snapshotter: Snapshotter) -> None:
        """As in containerd."""
        with pytest.raises(NotFound):
            snapshotter.update(Info("absent"), ("parent",))

    def test_refused_calls_leave_no_data(self, subject: Subject) -> None:
        """The data of a snapshot that was not created is deleted."""
        subject.layer("base")
        snapshotter = subject.snapshotter
        snapshotter.prepare("a", "base")
        self._tidy(subject)
        before = subject.data()
        for key, parent in (("a", "base"), ("b", "absent"), ("b", "a")):
            for create in (snapshotter.prepare, snapshotter.view):
                with pytest.raises((AlreadyExists, NotFound, InvalidArgument)):
                    create(key, parent)
        with pytest.raises(AlreadyExists):
            snapshotter.commit("base", "a")
        self._tidy(subject)
        assert subject.data() == before

    @staticmethod
    def _tidy(subject: Subject) -> None:
        if subject.traits.cleanup:
            subject.snapshotter.cleanup()
