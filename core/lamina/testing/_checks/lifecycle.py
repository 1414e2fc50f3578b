"""Checks of the life cycle of snapshots."""

from __future__ import annotations

import os
import time

import attrs
import pytest

from lamina.errdefs import FailedPrecondition, HasChildren, NotFound
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.testing._checks.subject import Checks, Subject, assert_same, keys, mounted, paths, write_two_files


class LifecycleChecks(Checks):
    """The effect of each operation."""

    def test_a_snapshot_on_nothing_is_an_empty_tree(self, subject: Subject) -> None:
        """`prepare` without a parent returns at least one mount."""
        mounts = subject.snapshotter.prepare("a")
        assert mounts
        with mounted(mounts) as root:
            assert not paths(subject.read(root))

    def test_a_view_on_nothing_is_an_empty_tree(self, subject: Subject) -> None:
        """The same holds for `view`."""
        with mounted(subject.snapshotter.view("v")) as root:
            assert not paths(subject.read(root))

    def test_the_root_of_a_snapshot_on_nothing_has_mode_755(self, snapshotter: Snapshotter) -> None:
        """Other users can read it, regardless of the umask."""
        before = os.umask(0o077)
        try:
            mounts = snapshotter.prepare("a")
        finally:
            os.umask(before)
        with mounted(mounts) as root:
            status = root.stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o755, 0, 0)

    def test_what_was_written_is_there_after_mounting_again(self, subject: Subject) -> None:
        """An active snapshot keeps its tree while it is not mounted."""
        with mounted(subject.snapshotter.prepare("a")) as root:
            write_two_files(root)
            written = subject.read(root)
        assert_same(subject.active_tree("a"), written)

    def test_what_was_written_is_committed(self, subject: Subject) -> None:
        """A view of a committed snapshot shows its tree."""
        written = subject.layer("c", write_two_files)
        assert paths(written) == {"dir", "dir/inner", "outer"}
        assert_same(subject.tree("c"), written)

    def test_a_child_shows_its_parents_tree(self, subject: Subject) -> None:
        """Changes to the child are on top of it."""
        base = subject.layer("base", write_two_files)
        with mounted(subject.snapshotter.prepare("a", "base")) as root:
            assert_same(subject.read(root), base)
            (root / "outer").write_text("changed")
            (root / "dir/inner").unlink()
            (root / "added").touch()
            changed = subject.read(root)
        subject.snapshotter.commit("c", "a")
        assert_same(subject.tree("c"), changed)
        assert paths(changed) == {"dir", "outer", "added"}

    def test_a_layer_may_change_nothing(self, subject: Subject) -> None:
        """A commit without changes has the same tree as the parent."""
        base = subject.layer("base", write_two_files)
        subject.layer("same", parent="base")
        assert_same(subject.tree("same"), base)

    def test_two_children_see_nothing_of_each_other(self, subject: Subject) -> None:
        """While both are mounted."""
        subject.layer("base", write_two_files)
        one, two = subject.snapshotter.prepare("one", "base"), subject.snapshotter.prepare("two", "base")
        with mounted(one) as first, mounted(two) as second:
            (first / "outer").write_text("first")
            (second / "new").touch()
            assert (second / "outer").read_text() == "outer"
            assert not (first / "new").exists()

    def test_stat_of_an_active_snapshot(self, snapshotter: Snapshotter) -> None:
        """It returns key, kind and an empty parent; writes change nothing."""
        with mounted(snapshotter.prepare("a")) as root:
            (root / "x").touch()
        info = snapshotter.stat("a")
        assert (info.name, info.kind, info.parent) == ("a", Kind.ACTIVE, "")

    def test_stat_of_a_committed_snapshot(self, subject: Subject) -> None:
        """It returns name, kind and an empty parent."""
        subject.layer("c")
        info = subject.snapshotter.stat("c")
        assert (info.name, info.kind, info.parent) == ("c", Kind.COMMITTED, "")

    def test_stat_of_a_view(self, subject: Subject) -> None:
        """It returns key, kind and parent."""
        subject.layer("c")
        subject.snapshotter.view("v", "c")
        info = subject.snapshotter.stat("v")
        assert (info.name, info.kind, info.parent) == ("v", Kind.VIEW, "c")

    def test_parents_are_remembered_one_level_each(self, subject: Subject) -> None:
        """`parent` is the direct parent."""
        subject.layer("one")
        subject.layer("two", parent="one")
        subject.snapshotter.prepare("three", "two")
        assert [subject.snapshotter.stat(key).parent for key in ("one", "two", "three")] == ["", "one", "two"]

    def test_commit_frees_the_key(self, snapshotter: Snapshotter) -> None:
        """The key is not found afterwards, and can be reused."""
        snapshotter.prepare("a")
        snapshotter.commit("c", "a")
        with pytest.raises(NotFound):
            snapshotter.stat("a")
        assert keys(snapshotter) == ["c"]
        snapshotter.prepare("a", "c")
        assert snapshotter.stat("a").parent == "c"

    def test_mounts_are_those_that_prepare_returned(self, subject: Subject) -> None:
        """With no, one and two layers below."""
        subject.layer("one")
        subject.layer("two", parent="one")
        for number, parent in enumerate(("", "one", "two")):
            active = subject.snapshotter.prepare(f"a{number}", parent)
            view = subject.snapshotter.view(f"v{number}", parent)
            assert subject.snapshotter.mounts(f"a{number}") == active
            assert subject.snapshotter.mounts(f"v{number}") == view

    def test_a_removed_key_can_be_used_again(self, subject: Subject) -> None:
        """For another kind and parent, without content of the old tree."""
        with mounted(subject.snapshotter.prepare("a")) as root:
            write_two_files(root)
        subject.snapshotter.remove("a")
        subject.layer("c")
        with mounted(subject.snapshotter.view("a", "c")) as root:
            assert not paths(subject.read(root))
        assert subject.snapshotter.stat("a").kind is Kind.VIEW

    def test_a_removed_name_can_be_used_again(self, subject: Subject) -> None:
        """Its old content is gone."""
        subject.layer("c", write_two_files)
        subject.snapshotter.remove("c")
        subject.layer("c")
        assert not paths(subject.tree("c"))

    def test_a_parent_can_be_removed_while_others_are_active(self, subject: Subject) -> None:
        """Only its own children prevent a removal."""
        subject.layer("c")
        subject.snapshotter.prepare("unrelated")
        subject.snapshotter.remove("c")
        assert keys(subject.snapshotter) == ["unrelated"]

    @pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name.lower())
    def test_a_parent_cannot_be_removed_before_its_child(self, subject: Subject, kind: Kind) -> None:
        """Of any kind. The message names the operation."""
        subject.layer("base", write_two_files)
        snapshotter = subject.snapshotter
        match kind:
            case Kind.ACTIVE:
                snapshotter.prepare("child", "base")
            case Kind.VIEW:
                snapshotter.view("child", "base")
            case Kind.COMMITTED:
                subject.layer("child", parent="base")
        with pytest.raises(HasChildren if subject.traits.in_process else FailedPrecondition, match="remove"):
            snapshotter.remove("base")
        assert len(paths(subject.tree("base"))) == 3
        snapshotter.remove("child")
        snapshotter.remove("base")
        assert keys(snapshotter) == []

    def test_layers_are_removed_from_the_top(self, subject: Subject) -> None:
        """A layer can be removed only after those above it."""
        subject.layer("one")
        subject.layer("two", parent="one")
        subject.layer("three", parent="two")
        for name in ("one", "two"):
            with pytest.raises(FailedPrecondition):
                subject.snapshotter.remove(name)
        for name in ("three", "two", "one"):
            subject.snapshotter.remove(name)
        assert keys(subject.snapshotter) == []

    def test_times_of_a_new_snapshot(self, snapshotter: Snapshotter) -> None:
        """`created` is the time of the call, and `updated` is equal."""
        before = time.time_ns()
        snapshotter.prepare("a")
        snapshotter.view("v")
        after = time.time_ns()
        for info in snapshotter.walk():
            assert before <= info.created <= after
            assert info.updated == info.created

    def test_times_of_a_committed_snapshot_are_those_of_its_commit(self, snapshotter: Snapshotter) -> None:
        """Not of the active one's creation."""
        snapshotter.prepare("a")
        before = time.time_ns()
        snapshotter.commit("c", "a")
        info = snapshotter.stat("c")
        assert before <= info.created <= time.time_ns()
        assert info.updated == info.created

    def test_info_can_be_given_back_to_update_unchanged(self, snapshotter: Snapshotter) -> None:
        """`update` accepts the result of `stat`; only `updated` changes."""
        snapshotter.prepare("a", labels={"x": "1"})
        before: Info = snapshotter.stat("a")
        after = snapshotter.update(before)
        assert attrs.evolve(after, updated=0) == attrs.evolve(before, updated=0)
