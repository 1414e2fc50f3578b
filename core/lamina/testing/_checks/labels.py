"""Checks of labels."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from lamina.errdefs import InvalidArgument
from lamina.labels import LIMIT
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.testing._checks.subject import Checks, Subject, keys

ALLOWED = {"k" * 16: "v" * (LIMIT - 16)}
TOO_LONG = {"k" * 16: "v" * (LIMIT - 15)}

STORED: dict[str, dict[str, str]] = {
    "plain": {"a": "1", "b": "2"},
    "containerd's": {"containerd.io/gc.root": "2025-01-01T00:00:00Z", "containerd.io/snapshot.ref": "sha256:1"},
    "at the limit": ALLOWED,
    "a long key": {"k" * (LIMIT - 1): "v"},
    "other scripts": {"ключ": "値", "emoji": "👩\u200d💻"},
    "line breaks": {"a\nb": "c\nd\t"},
    "many": {f"key{number}": f"value{number}" for number in range(200)},
}

PATHS: dict[str, tuple[tuple[str, ...], dict[str, str], dict[str, str]]] = {
    "sets one": (
        ("labels.new",),
        {"new": "1", "other": "ignored"},
        {"a": "1", "b": "2", "c.d/e": "3", "new": "1"},
    ),
    "changes one": (("labels.a",), {"a": "9", "b": "ignored"}, {"a": "9", "b": "2", "c.d/e": "3"}),
    "deletes one that has no value": (("labels.a",), {}, {"b": "2", "c.d/e": "3"}),
    "deletes one with an empty value": (("labels.a",), {"a": ""}, {"b": "2", "c.d/e": "3"}),
    "deletes one that is not there": (("labels.z",), {}, {"a": "1", "b": "2", "c.d/e": "3"}),
    "changes several": (("labels.a", "labels.b"), {"a": "9"}, {"a": "9", "c.d/e": "3"}),
    "takes dots and slashes as part of the key": (
        ("labels.c.d/e",),
        {"c.d/e": "9"},
        {"a": "1", "b": "2", "c.d/e": "9"},
    ),
    "replaces all": (("labels",), {"x": "1"}, {"x": "1"}),
    "replaces all by none": (("labels",), {}, {}),
    "replaces all and then changes one": (("labels", "labels.a"), {"x": "1"}, {"x": "1"}),
    "without paths replaces all": ((), {"x": "1", "empty": ""}, {"x": "1"}),
}
"""Field paths and labels of an update, and the expected labels of a snapshot that had a=1, b=2, c.d/e=3."""

REFUSED: dict[str, Callable[[Snapshotter, dict[str, str]], object]] = {
    "prepare": lambda snapshotter, labels: snapshotter.prepare("new", labels=labels),
    "view": lambda snapshotter, labels: snapshotter.view("new", labels=labels),
    "commit": lambda snapshotter, labels: snapshotter.commit("new", "a", labels),
    "update": lambda snapshotter, labels: snapshotter.update(Info("a", labels=labels)),
    "update of one": lambda snapshotter, labels: snapshotter.update(
        Info("a", labels=labels), tuple(f"labels.{key}" for key in labels)
    ),
}


class LabelChecks(Checks):
    """Labels are any text up to a length. Only some of `containerd.io/snapshot…` have a meaning."""

    @pytest.mark.parametrize("labels", STORED.values(), ids=STORED)
    def test_labels_are_kept(self, snapshotter: Snapshotter, labels: dict[str, str]) -> None:
        """By each operation that takes them."""
        snapshotter.prepare("a", labels=labels)
        snapshotter.view("v", labels=labels)
        assert snapshotter.stat("a").labels == snapshotter.stat("v").labels == labels
        snapshotter.commit("c", "a", labels)
        assert snapshotter.stat("c").labels == labels
        assert snapshotter.update(Info("v", labels=labels)).labels == labels

    def test_commit_inherits_no_labels(self, snapshotter: Snapshotter) -> None:
        """The committed snapshot has only the labels of the commit."""
        snapshotter.prepare("a", labels={"active": "1", "both": "1"})
        snapshotter.commit("c", "a", {"committed": "2", "both": "2"})
        assert snapshotter.stat("c").labels == {"committed": "2", "both": "2"}
        snapshotter.prepare("b", labels={"active": "1"})
        snapshotter.commit("d", "b")
        assert snapshotter.stat("d").labels == {}

    def test_children_inherit_no_labels(self, subject: Subject) -> None:
        """Neither active ones nor views."""
        subject.layer("base", labels={"containerd.io/snapshot.ref": "x", "y": "1"})
        subject.snapshotter.prepare("a", "base")
        subject.snapshotter.view("v", "base")
        assert subject.snapshotter.stat("a").labels == subject.snapshotter.stat("v").labels == {}

    def test_a_label_without_a_value_is_no_label(self, snapshotter: Snapshotter) -> None:
        """In every operation."""
        labels = {"full": "1", "empty": ""}
        snapshotter.prepare("a", labels=labels)
        snapshotter.view("v", labels=labels)
        assert snapshotter.stat("a").labels == snapshotter.stat("v").labels == {"full": "1"}
        snapshotter.commit("c", "a", labels)
        assert snapshotter.stat("c").labels == {"full": "1"}
        assert snapshotter.update(Info("v", labels=labels)).labels == {"full": "1"}

    @pytest.mark.parametrize("operation", REFUSED)
    @pytest.mark.parametrize("labels", [TOO_LONG, {"é" * 16: "v" * (LIMIT - 31)}], ids=["ASCII", "bytes count"])
    def test_a_label_cannot_be_longer_than_the_limit(
        self, snapshotter: Snapshotter, operation: str, labels: dict[str, str]
    ) -> None:
        """Key and value together. The call changes nothing."""
        snapshotter.prepare("a", labels={"x": "1"})
        before = list(snapshotter.walk())
        with pytest.raises(InvalidArgument):
            REFUSED[operation](snapshotter, labels)
        assert list(snapshotter.walk()) == before

    @pytest.mark.parametrize("what", PATHS)
    def test_an_update(self, snapshotter: Snapshotter, what: str) -> None:
        """Returns the new info, as `stat` does."""
        paths, labels, expected = PATHS[what]
        snapshotter.prepare("a", labels={"a": "1", "b": "2", "c.d/e": "3"})
        updated = snapshotter.update(Info("a", labels=labels), paths)
        assert updated.labels == expected
        assert snapshotter.stat("a") == updated

    @pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name.lower())
    def test_an_update_changes_labels_and_time_alone(self, subject: Subject, kind: Kind) -> None:
        """`updated` increases; parent, kind and times in the request are ignored."""
        subject.layer("base")
        snapshotter = subject.snapshotter
        match kind:
            case Kind.ACTIVE:
                snapshotter.prepare("it", "base", {"x": "1"})
            case Kind.VIEW:
                snapshotter.view("it", "base", {"x": "1"})
            case Kind.COMMITTED:
                subject.layer("it", parent="base", labels={"x": "1"})
        before = snapshotter.stat("it")
        requested = Info("it", kind=Kind.VIEW, parent="elsewhere", labels={"y": "2"}, created=1, updated=2)
        after = snapshotter.update(requested)
        assert after.updated > before.updated
        assert after == attrs.evolve(before, labels={"y": "2"}, updated=after.updated)
        assert snapshotter.stat("it") == after

    def test_an_update_leaves_others_alone(self, snapshotter: Snapshotter) -> None:
        """Other snapshots are unchanged."""
        for key in "abc":
            snapshotter.prepare(key, labels={"x": key})
        before = list(snapshotter.walk())
        snapshotter.update(Info("b", labels={"x": "changed"}))
        after = list(snapshotter.walk())
        assert (after[0], after[2]) == (before[0], before[2])
        assert keys(snapshotter, "labels.x==changed") == ["b"]

    def test_labels_must_be_unicode(self, snapshotter: Snapshotter) -> None:
        """The protocol requires it."""
        with pytest.raises(InvalidArgument):
            snapshotter.prepare("a", labels={"half": "\ud800"})
        assert keys(snapshotter) == []
