"""Checks of keyspaces and rebases."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs
import pytest

from lamina.errdefs import FailedPrecondition, NotFound, Unimplemented
from lamina.snapshots import Info, Snapshotter
from lamina.testing._checks.subject import Checks, Subject, assert_same, keys, mounted, paths, write_two_files
from lamina.testing._tree import ROOT


class KeyspaceChecks(Checks):
    """Keyspaces are independent of each other."""

    def _other(self, subject: Subject) -> Snapshotter | None:
        if subject.traits.keyspaces:
            return subject.snapshotter.keyspace("other")
        with pytest.raises(Unimplemented):
            subject.snapshotter.keyspace("other")
        return None

    def test_the_same_key_is_another_snapshot_in_another_keyspace(self, subject: Subject) -> None:
        """With its own labels and tree."""
        if other := self._other(subject):
            with mounted(subject.snapshotter.prepare("a", labels={"here": "1"})) as root:
                (root / "here").touch()
            with mounted(other.prepare("a", labels={"there": "1"})) as root:
                assert not paths(subject.read(root))
            assert (subject.snapshotter.stat("a").labels, other.stat("a").labels) == (
                {"here": "1"},
                {"there": "1"},
            )

    def test_what_is_in_one_keyspace_is_not_found_in_another(self, subject: Subject) -> None:
        """By any operation, nor as a parent."""
        if other := self._other(subject):
            subject.layer("c")
            subject.snapshotter.prepare("a")
            assert keys(other) == []
            for operation in (other.stat, other.usage, other.mounts, other.remove):
                with pytest.raises(NotFound):
                    operation("a")
            for create in (other.prepare, other.view):
                with pytest.raises(NotFound):
                    create("child", "c")
            with pytest.raises(NotFound):
                other.commit("d", "a")
            with pytest.raises(NotFound):
                other.update(Info("a"))
            assert keys(subject.snapshotter) == ["a", "c"]

    def test_removals_in_one_keyspace_leave_others_alone(self, subject: Subject) -> None:
        """The garbage collection of one client cannot delete another's snapshots."""
        if other := self._other(subject):
            written = subject.layer("c", write_two_files)
            other.prepare("a")
            other.commit("c", "a")
            for info in other.walk():
                other.remove(info.name)
            if subject.traits.cleanup:
                other.cleanup()
            assert keys(subject.snapshotter) == ["c"]
            assert_same(subject.tree("c"), written)

    def test_a_keyspace_has_what_it_had_when_it_is_asked_for_again(self, subject: Subject) -> None:
        """By its name, also after closing and reopening."""
        if other := self._other(subject):
            other.prepare("a", labels={"x": "1"})
            before = other.stat("a")
            assert subject.snapshotter.keyspace("other").stat("a") == before
            if subject.traits.reopens:
                assert subject.reopen().keyspace("other").stat("a") == before
                assert keys(subject.snapshotter) == []


class RebaseChecks(Checks):
    """A commit sets the parent of a layer without one, or raises Unimplemented without losing data."""

    def _is_supported(self, subject: Subject) -> bool:
        if subject.traits.rebase:
            return True
        subject.layer("c")
        subject.snapshotter.prepare("active")
        before = list(subject.snapshotter.walk())
        with pytest.raises(Unimplemented):
            subject.snapshotter.commit("d", "active", parent="c")
        assert list(subject.snapshotter.walk()) == before
        return False

    @staticmethod
    def _write(root: Path) -> None:
        (root / "new").touch()
        os.mknod(root / "outer", stat.S_IFCHR, 0)  # a whiteout

    def test_a_rebased_layer_is_on_top_of_its_parent(self, subject: Subject) -> None:
        """Its whiteouts take effect."""
        if self._is_supported(subject):
            subject.layer("base", write_two_files)
            with mounted(subject.snapshotter.prepare("a")) as root:
                self._write(root)
            subject.snapshotter.commit("c", "a", {"x": "1"}, parent="base")
            info = subject.snapshotter.stat("c")
            assert (info.parent, info.labels) == ("base", {"x": "1"})
            assert paths(subject.tree("c")) == {"dir", "dir/inner", "new"}

    def test_a_rebased_layer_protects_its_parent(self, subject: Subject) -> None:
        """The parent cannot be removed before the child."""
        if self._is_supported(subject):
            subject.layer("base")
            subject.snapshotter.prepare("a")
            subject.snapshotter.commit("c", "a", parent="base")
            with pytest.raises(FailedPrecondition):
                subject.snapshotter.remove("base")
            subject.snapshotter.remove("c")
            subject.snapshotter.remove("base")

    def test_layers_can_be_put_on_a_rebased_layer(self, subject: Subject) -> None:
        """The chain of parents includes the new one."""
        if self._is_supported(subject):
            subject.layer("base", write_two_files)
            with mounted(subject.snapshotter.prepare("a")) as root:
                self._write(root)
            subject.snapshotter.commit("c", "a", parent="base")
            with mounted(subject.snapshotter.prepare("child", "c")) as root:
                assert paths(subject.read(root)) == {"dir", "dir/inner", "new"}

    def test_a_rebased_layer_takes_its_parents_root(self, subject: Subject) -> None:
        """Mode, owner and extended attributes, each unless the layer has set its own."""

        def write_root(root: Path) -> None:
            root.chmod(0o1770)
            os.chown(root, 12, 34)
            for name in ("user.one", "user.two"):
                os.setxattr(root, name, b"parent")

        def write_own(root: Path) -> None:
            root.chmod(0o711)
            os.setxattr(root, "user.two", b"own")

        if self._is_supported(subject):
            base = subject.layer("base", write_root)[ROOT]
            own = {"user.one": b"parent", "user.two": b"own"}
            for number, (write, expected) in enumerate(
                (
                    (self._write, base),
                    (write_own, attrs.evolve(base, mode=0o711, xattrs=own)),
                )
            ):
                with mounted(subject.snapshotter.prepare("a")) as root:
                    write(root)
                subject.snapshotter.commit(f"c{number}", "a", parent="base")
                for shown in (subject.tree(f"c{number}"), subject.layer(f"d{number}", parent=f"c{number}")):
                    assert attrs.evolve(shown[ROOT], mtime=base.mtime) == expected

    def test_the_new_parent_must_exist_and_be_committed(self, subject: Subject) -> None:
        """Otherwise the commit changes nothing."""
        if self._is_supported(subject):
            subject.snapshotter.prepare("a")
            subject.snapshotter.prepare("b")
            with pytest.raises(NotFound):
                subject.snapshotter.commit("c", "a", parent="absent")
            with pytest.raises(FailedPrecondition):
                subject.snapshotter.commit("c", "a", parent="b")
            assert keys(subject.snapshotter) == ["a", "b"]
