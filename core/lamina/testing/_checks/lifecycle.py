"""From an empty tree to layers on layers, and back."""

from __future__ import annotations

import os
import time
from pathlib import Path

import attrs
import pytest

from lamina.errdefs import FailedPrecondition, HasChildren, NotFound, Unimplemented
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.testing._checks.subject import Checks, Subject, assert_same, below, keys, mounted

SIZE = 200_000


def fill(root: Path) -> None:
    """A file of `SIZE` bytes that cannot be compressed."""
    (root / "filled").write_bytes(os.urandom(SIZE))


def write_two(root: Path) -> None:
    """Two files, one of them in a directory."""
    (root / "dir").mkdir()
    (root / "dir/inner").write_text("inner")
    (root / "outer").write_text("outer")


class LifecycleChecks(Checks):
    """What each operation does."""

    def test_a_snapshot_on_nothing_is_an_empty_tree(self, subject: Subject) -> None:
        """`prepare` without a parent returns at least one mount, and it shows nothing."""
        mounts = subject.snapshotter.prepare("a")
        assert mounts
        with mounted(mounts) as root:
            assert not below(subject.read(root))

    def test_a_view_on_nothing_is_an_empty_tree(self, subject: Subject) -> None:
        """`view` without a parent too."""
        with mounted(subject.snapshotter.view("v")) as root:
            assert not below(subject.read(root))

    def test_the_root_of_a_snapshot_on_nothing_has_mode_755(self, snapshotter: Snapshotter) -> None:
        """So users who are not root can look into it, whatever the umask is."""
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
            write_two(root)
            written = subject.read(root)
        assert_same(subject.active_tree("a"), written)

    def test_what_was_written_is_committed(self, subject: Subject) -> None:
        """A view of a committed snapshot shows its tree."""
        written = subject.layer("c", write_two)
        assert below(written) == {"dir", "dir/inner", "outer"}
        assert_same(subject.tree("c"), written)

    def test_a_child_shows_its_parents_tree(self, subject: Subject) -> None:
        """And what is written to it comes on top."""
        base = subject.layer("base", write_two)
        with mounted(subject.snapshotter.prepare("a", "base")) as root:
            assert_same(subject.read(root), base)
            (root / "outer").write_text("changed")
            (root / "dir/inner").unlink()
            (root / "added").touch()
            changed = subject.read(root)
        subject.snapshotter.commit("c", "a")
        assert_same(subject.tree("c"), changed)
        assert below(changed) == {"dir", "outer", "added"}

    def test_a_layer_may_change_nothing(self, subject: Subject) -> None:
        """A commit without a write shows what the parent shows."""
        base = subject.layer("base", write_two)
        subject.layer("same", parent="base")
        assert_same(subject.tree("same"), base)

    def test_two_children_see_nothing_of_each_other(self, subject: Subject) -> None:
        """Both mounted at once, on the same parent."""
        subject.layer("base", write_two)
        one, two = subject.snapshotter.prepare("one", "base"), subject.snapshotter.prepare("two", "base")
        with mounted(one) as first, mounted(two) as second:
            (first / "outer").write_text("first")
            (second / "new").touch()
            assert (second / "outer").read_text() == "outer"
            assert not (first / "new").exists()

    def test_stat_of_an_active_snapshot(self, snapshotter: Snapshotter) -> None:
        """It says key and kind, and no parent where there is none; mounting changes nothing of it."""
        with mounted(snapshotter.prepare("a")) as root:
            (root / "x").touch()
        info = snapshotter.stat("a")
        assert (info.name, info.kind, info.parent) == ("a", Kind.ACTIVE, "")

    def test_stat_of_a_committed_snapshot(self, subject: Subject) -> None:
        """It says name and kind, and no parent where there is none."""
        subject.layer("c")
        info = subject.snapshotter.stat("c")
        assert (info.name, info.kind, info.parent) == ("c", Kind.COMMITTED, "")

    def test_stat_of_a_view(self, subject: Subject) -> None:
        """It says key, kind and parent."""
        subject.layer("c")
        subject.snapshotter.view("v", "c")
        info = subject.snapshotter.stat("v")
        assert (info.name, info.kind, info.parent) == ("v", Kind.VIEW, "c")

    def test_parents_are_remembered_one_level_each(self, subject: Subject) -> None:
        """The parent of a snapshot is the one that it was made on, not that one's parent."""
        subject.layer("one")
        subject.layer("two", parent="one")
        subject.snapshotter.prepare("three", "two")
        assert [subject.snapshotter.stat(key).parent for key in ("one", "two", "three")] == ["", "one", "two"]

    def test_commit_frees_the_key(self, snapshotter: Snapshotter) -> None:
        """The key is unknown afterwards, and can be used again."""
        snapshotter.prepare("a")
        snapshotter.commit("c", "a")
        with pytest.raises(NotFound):
            snapshotter.stat("a")
        assert keys(snapshotter) == ["c"]
        snapshotter.prepare("a", "c")
        assert snapshotter.stat("a").parent == "c"

    def test_mounts_are_those_that_prepare_returned(self, subject: Subject) -> None:
        """At any time, for each shape of snapshot."""
        subject.layer("one")
        subject.layer("two", parent="one")
        for number, parent in enumerate(("", "one", "two")):
            active = subject.snapshotter.prepare(f"a{number}", parent)
            view = subject.snapshotter.view(f"v{number}", parent)
            assert subject.snapshotter.mounts(f"a{number}") == active
            assert subject.snapshotter.mounts(f"v{number}") == view

    def test_a_removed_key_can_be_used_again(self, subject: Subject) -> None:
        """For another kind and parent; nothing of the old tree is in the new one."""
        with mounted(subject.snapshotter.prepare("a")) as root:
            write_two(root)
        subject.snapshotter.remove("a")
        subject.layer("c")
        with mounted(subject.snapshotter.view("a", "c")) as root:
            assert not below(subject.read(root))
        assert subject.snapshotter.stat("a").kind is Kind.VIEW

    def test_a_removed_name_can_be_used_again(self, subject: Subject) -> None:
        """What was committed under it before is gone."""
        subject.layer("c", write_two)
        subject.snapshotter.remove("c")
        subject.layer("c")
        assert not below(subject.tree("c"))

    def test_a_parent_can_be_removed_while_others_are_active(self, subject: Subject) -> None:
        """Only its own children protect a snapshot."""
        subject.layer("c")
        subject.snapshotter.prepare("unrelated")
        subject.snapshotter.remove("c")
        assert keys(subject.snapshotter) == ["unrelated"]

    @pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name.lower())
    def test_a_parent_cannot_be_removed_before_its_child(self, subject: Subject, kind: Kind) -> None:
        """Whatever kind the child is of; the message says what was asked."""
        subject.layer("base", write_two)
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
        assert len(below(subject.tree("base"))) == 3
        snapshotter.remove("child")
        snapshotter.remove("base")
        assert keys(snapshotter) == []

    def test_layers_are_removed_from_the_top(self, subject: Subject) -> None:
        """A layer between others stays until those above it are gone."""
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
        """`created` lies within the call, and `updated` is the same."""
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


class UsageChecks(Checks):
    """What snapshots take up."""

    def test_usage_of_an_active_snapshot_is_measured(self, subject: Subject) -> None:
        """It grows with what is written."""
        mounts = subject.snapshotter.prepare("a")
        before = subject.snapshotter.usage("a")
        with mounted(mounts) as root:
            fill(root)
            os.sync()  # a file system may give out blocks only when it writes them
        after = subject.snapshotter.usage("a")
        assert after.size >= before.size + SIZE
        assert after.inodes >= before.inodes

    def test_usage_of_a_committed_snapshot_counts_its_layer(self, subject: Subject) -> None:
        """It is there after the commit, and stays the same whatever is built on it."""
        subject.layer("c", fill)
        usage = subject.snapshotter.usage("c")
        assert usage.size >= SIZE
        subject.layer("child", fill, parent="c")
        assert subject.snapshotter.usage("c") == usage

    def test_a_view_takes_up_next_to_nothing(self, subject: Subject) -> None:
        """Its parent's content is not its own."""
        subject.layer("c", fill)
        subject.snapshotter.view("v", "c")
        assert subject.snapshotter.usage("v").size < SIZE


class ClosingChecks(Checks):
    """What stays when a snapshotter is closed, and what goes when a snapshot is removed."""

    def test_closing_twice_is_closing_once(self, snapshotter: Snapshotter) -> None:
        """The second time does nothing, and neither does the third, by whoever opened it."""
        snapshotter.prepare("a")
        snapshotter.close()
        snapshotter.close()

    def test_everything_is_there_after_closing_and_opening(self, subject: Subject) -> None:
        """Records, usages, mounts and trees."""
        if not subject.traits.reopens:
            pytest.skip("the snapshotter keeps nothing when it is closed")
        written = subject.layer("c", write_two, labels={"layer": "one"})
        with mounted(subject.snapshotter.prepare("a", "c", {"active": "yes"})) as root:
            (root / "more").touch()
        subject.snapshotter.view("v", "c")
        before = self._state(subject.snapshotter)
        active = subject.active_tree("a")
        snapshotter = subject.reopen()
        assert self._state(snapshotter) == before
        assert_same(subject.tree("c"), written)
        assert_same(subject.active_tree("a"), active)

    @staticmethod
    def _state(snapshotter: Snapshotter) -> list[object]:
        infos = list(snapshotter.walk())
        usages = [snapshotter.usage(info.name) for info in infos if info.kind is not Kind.ACTIVE]
        return [*infos, *usages]

    def test_work_goes_on_after_closing_and_opening(self, subject: Subject) -> None:
        """What is made then does not mix with what was there."""
        if not subject.traits.reopens:
            pytest.skip("the snapshotter keeps nothing when it is closed")
        written = subject.layer("c", write_two)
        subject.snapshotter.prepare("a", "c")
        snapshotter = subject.reopen()
        with mounted(snapshotter.prepare("new")) as root:
            assert not below(subject.read(root))
        snapshotter.commit("d", "a")
        assert snapshotter.stat("d").parent == "c"
        assert_same(subject.tree("d"), written)

    def test_removed_snapshots_do_not_come_back(self, subject: Subject) -> None:
        """Not by closing and opening."""
        if not subject.traits.reopens:
            pytest.skip("the snapshotter keeps nothing when it is closed")
        subject.layer("c", write_two)
        subject.snapshotter.prepare("a", "c")
        subject.snapshotter.remove("a")
        subject.snapshotter.remove("c")
        assert keys(subject.reopen()) == []

    def test_cleanup_gives_back_what_removed_snapshots_held(self, subject: Subject) -> None:
        """And touches nothing else."""
        snapshotter = subject.snapshotter
        if not subject.traits.cleanup:
            with pytest.raises(Unimplemented):
                snapshotter.cleanup()
            return
        kept = subject.layer("kept", write_two)
        snapshotter.prepare("active", "kept")
        snapshotter.cleanup()
        before = subject.data()
        subject.layer("gone", fill)
        snapshotter.prepare("child", "gone")
        snapshotter.remove("child")
        snapshotter.remove("gone")
        snapshotter.cleanup()
        assert subject.data() == before
        assert_same(subject.tree("kept"), kept)
        assert_same(subject.active_tree("active"), kept)

    def test_cleanup_may_be_called_when_there_is_nothing_to_do(self, subject: Subject) -> None:
        """Any number of times."""
        for _ in range(2):
            if subject.traits.cleanup:
                subject.snapshotter.cleanup()
            else:
                with pytest.raises(Unimplemented):
                    subject.snapshotter.cleanup()

    def test_info_can_be_given_back_to_update_unchanged(self, snapshotter: Snapshotter) -> None:
        """What `stat` returns is what `update` takes; only `updated` moves."""
        snapshotter.prepare("a", labels={"x": "1"})
        before: Info = snapshotter.stat("a")
        after = snapshotter.update(before)
        assert attrs.evolve(after, updated=0) == attrs.evolve(before, updated=0)
