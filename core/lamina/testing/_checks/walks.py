"""Checks of walks and filters."""

from __future__ import annotations

import pytest

from lamina.errdefs import FilterSyntaxError, InvalidArgument
from lamina.snapshots import Info, Snapshotter
from lamina.testing._checks.subject import Checks, Subject, keys

MANY = 130
"""More than the batch size of any snapshotter (100 in containerd)."""

FILTERS: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "none": ((), {"base", "top", "a1", "a2", "v1"}),
    "an empty one": (("",), {"base", "top", "a1", "a2", "v1"}),
    "name": (("name==a1",), {"a1"}),
    "not the name": (("name!=a1",), {"base", "top", "a2", "v1"}),
    "a pattern of the name": (("name~=^a",), {"a1", "a2"}),
    "active": (("kind==active",), {"a1", "a2"}),
    "view": (("kind==view",), {"v1"}),
    "committed": (("kind==committed",), {"base", "top"}),
    "parent": (("parent==base",), {"top", "a2"}),
    "any parent": (('parent!=""',), {"top", "a2", "v1"}),
    "no parent": (('parent==""',), {"base", "a1"}),
    "a label's presence": (("labels.color",), {"a1", "a2", "v1"}),
    "a label's value": (("labels.color==red",), {"a1", "v1"}),
    "a label's pattern": (("labels.color~=^(red|blue)$",), {"a1", "a2", "v1"}),
    "a quoted label": (('labels."containerd.io/gc.root"',), {"a2"}),
    "both of two": (("kind==active,labels.color==red",), {"a1"}),
    "either of two": (("name==base", "name==v1"), {"base", "v1"}),
    "two that match the same": (("name==a1", "kind==active"), {"a1", "a2"}),
    "either of two, both of two": (("name==base", "labels.color==red,kind==view"), {"base", "v1"}),
    "a name that nothing has": (("name==nothing",), set()),
    "a label that nothing has": (("labels.nothing",), set()),
    "a field that there is not": (("size==1",), set()),
}


class WalkChecks(Checks):
    """Walks, filters, and concurrent changes."""

    def test_an_empty_snapshotter_has_nothing_to_walk(self, snapshotter: Snapshotter) -> None:
        """A walk without results is not an error."""
        assert list(snapshotter.walk()) == []
        assert list(snapshotter.walk("kind==active")) == []
        snapshotter.prepare("a")
        snapshotter.remove("a")
        assert list(snapshotter.walk()) == []

    def test_a_walk_shows_what_stat_shows(self, subject: Subject) -> None:
        """Once for each snapshot."""
        self._make(subject)
        infos = list(subject.snapshotter.walk())
        assert [info.name for info in infos] == ["a1", "a2", "base", "top", "v1"]
        assert infos == [subject.snapshotter.stat(info.name) for info in infos]

    @pytest.mark.parametrize("what", FILTERS)
    def test_a_filter_by(self, subject: Subject, what: str) -> None:
        """Selects snapshots by name, kind, parent and labels."""
        filters, expected = FILTERS[what]
        self._make(subject)
        assert keys(subject.snapshotter, *filters) == sorted(expected)

    @staticmethod
    def _make(subject: Subject) -> None:
        subject.layer("base")
        subject.layer("top", parent="base", labels={"x": "1"})
        subject.snapshotter.prepare("a1", labels={"color": "red"})
        subject.snapshotter.prepare("a2", "base", {"color": "blue", "containerd.io/gc.root": "now"})
        subject.snapshotter.view("v1", "top", {"color": "red"})

    def test_filters_see_changes(self, snapshotter: Snapshotter) -> None:
        """Updates of labels, kind and name take effect."""
        snapshotter.prepare("a", labels={"x": "1"})
        snapshotter.update(Info("a", labels={"x": "2"}))
        assert (keys(snapshotter, "labels.x==1"), keys(snapshotter, "labels.x==2")) == ([], ["a"])
        snapshotter.commit("c", "a")
        assert (keys(snapshotter, "kind==active"), keys(snapshotter, "kind==committed")) == ([], ["c"])
        assert (keys(snapshotter, "name==a"), keys(snapshotter, "name==c")) == ([], ["c"])

    @pytest.mark.parametrize("expression", ["name==a,", "name = a", "labels.a/b==1", 'name=="a', "name==a b"])
    def test_a_filter_that_is_none_is_refused(self, subject: Subject, expression: str) -> None:
        """Before anything is yielded, and also beside a valid filter."""
        subject.snapshotter.prepare("a")
        error = FilterSyntaxError if subject.traits.in_process else InvalidArgument
        with pytest.raises(error):
            next(iter(subject.snapshotter.walk(expression)), None)
        with pytest.raises(error):
            next(iter(subject.snapshotter.walk("name==a", expression)), None)

    def test_a_walk_is_in_byte_order(self, snapshotter: Snapshotter) -> None:
        """Of the UTF-8 keys, independent of the order of creation."""
        unordered = [
            "b",
            "a",
            "é",
            "Z",
            "a/b",
            "a-b",
            "a",
            "\uffff",
            "\U00010000",
            "0",
            "\x01",
            "k" * 600,
            "k" * 500,
        ]
        for key in dict.fromkeys(unordered):
            snapshotter.prepare(key)
        assert keys(snapshotter) == sorted(set(unordered), key=str.encode)

    def test_a_walk_shows_everything_however_much_there_is(self, snapshotter: Snapshotter) -> None:
        """In order, with and without a filter, and in concurrent walks."""
        expected = [f"key{number:04}" for number in range(MANY)]
        for number, key in enumerate(reversed(expected)):
            snapshotter.prepare(key, labels={"odd": "yes"} if number % 2 else {})
        pairs = list(zip(snapshotter.walk(), snapshotter.walk(), strict=True))
        assert [(one.name, two.name) for one, two in pairs] == [(key, key) for key in expected]
        assert keys(snapshotter, "labels.odd") == expected[::2]

    def test_stat_inside_a_walk(self, subject: Subject) -> None:
        """It returns the same info without waiting for the end of the walk."""
        self._make(subject)
        for info in subject.snapshotter.walk():
            assert subject.snapshotter.stat(info.name) == info

    def test_everything_can_be_changed_inside_a_walk(self, snapshotter: Snapshotter) -> None:
        """Snapshots can be updated, committed, removed and created during a walk."""
        for number in range(4):
            snapshotter.prepare(f"m{number}")
        for info in snapshotter.walk("name~=^m"):
            snapshotter.update(Info(info.name, labels={"x": "1"}))
            snapshotter.commit(f"c-{info.name}", info.name)
            snapshotter.view(f"v-{info.name}", f"c-{info.name}")
        assert keys(snapshotter, "kind==view") == [f"v-m{number}" for number in range(4)]
        assert keys(snapshotter, "kind==active") == []

    def test_everything_can_be_removed_inside_a_walk(self, snapshotter: Snapshotter) -> None:
        """No snapshot is skipped."""
        for number in range(MANY):
            snapshotter.prepare(f"key{number:04}")
        for info in snapshotter.walk():
            snapshotter.remove(info.name)
        assert keys(snapshotter) == []

    def test_a_walk_may_be_left_early(self, snapshotter: Snapshotter) -> None:
        """Later operations work, and the next walk starts from the beginning."""
        for key in "abc":
            snapshotter.prepare(key)
        assert next(iter(snapshotter.walk())).name == "a"
        snapshotter.remove("a")
        assert next(iter(snapshotter.walk())).name == "b"
