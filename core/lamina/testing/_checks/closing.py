"""Checks of closing, reopening and cleanup."""

from __future__ import annotations

import pytest

from lamina.errdefs import Unimplemented
from lamina.snapshots import Kind, Snapshotter
from lamina.testing._checks.subject import Checks, Subject, assert_same, keys, mounted, paths, write_two_files
from lamina.testing._checks.usage import fill


class ClosingChecks(Checks):
    """Snapshots persist across closing, and removed data is deleted."""

    def test_closing_twice_is_closing_once(self, snapshotter: Snapshotter) -> None:
        """Further calls do nothing."""
        snapshotter.prepare("a")
        snapshotter.close()
        snapshotter.close()

    def test_everything_is_there_after_closing_and_opening(self, subject: Subject) -> None:
        """Infos, usages and trees."""
        if not subject.traits.reopens:
            pytest.skip("the snapshotter keeps nothing when it is closed")
        written = subject.layer("c", write_two_files, labels={"layer": "one"})
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
        """New snapshots are independent of existing ones."""
        if not subject.traits.reopens:
            pytest.skip("the snapshotter keeps nothing when it is closed")
        written = subject.layer("c", write_two_files)
        subject.snapshotter.prepare("a", "c")
        snapshotter = subject.reopen()
        with mounted(snapshotter.prepare("new")) as root:
            assert not paths(subject.read(root))
        snapshotter.commit("d", "a")
        assert snapshotter.stat("d").parent == "c"
        assert_same(subject.tree("d"), written)

    def test_removed_snapshots_do_not_come_back(self, subject: Subject) -> None:
        """After closing and reopening."""
        if not subject.traits.reopens:
            pytest.skip("the snapshotter keeps nothing when it is closed")
        subject.layer("c", write_two_files)
        subject.snapshotter.prepare("a", "c")
        subject.snapshotter.remove("a")
        subject.snapshotter.remove("c")
        assert keys(subject.reopen()) == []

    def test_cleanup_gives_back_what_removed_snapshots_held(self, subject: Subject) -> None:
        """It changes nothing else."""
        snapshotter = subject.snapshotter
        if not subject.traits.cleanup:
            with pytest.raises(Unimplemented):
                snapshotter.cleanup()
            return
        kept = subject.layer("kept", write_two_files)
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
        """Repeatedly."""
        for _ in range(2):
            if subject.traits.cleanup:
                subject.snapshotter.cleanup()
            else:
                with pytest.raises(Unimplemented):
                    subject.snapshotter.cleanup()
