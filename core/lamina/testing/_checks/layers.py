"""Checks of several layers."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path
from typing import Final

import pytest

from lamina.testing._checks.random_changes import Change, make_random_changes
from lamina.testing._checks.subject import Checks, Subject, assert_same, mounted, paths
from lamina.testing._tree import read_tree

LAYERS: Final = 128


class LayerChecks(Checks):
    """Upper layers replace, remove and rename entries of lower ones."""

    def test_content_and_mode_of_the_upper_layer_show(self, subject: Subject) -> None:
        """Through several layers."""
        subject.layer("l0", lambda root: (root / "file").write_text("0"))
        for number in range(1, 6):

            def write(root: Path, number: int = number) -> None:
                assert (root / "file").read_text() == str(number - 1)
                (root / "file").write_text(str(number))
                (root / "file").chmod(0o600 + number)

            written = subject.layer(f"l{number}", write, parent=f"l{number - 1}")
            assert written["file"].mode == 0o600 + number
            assert_same(subject.tree(f"l{number}"), written)

    def test_a_removed_file_stays_removed(self, subject: Subject) -> None:
        """An empty layer in between changes nothing; the file can be created again."""
        subject.layer("l0", lambda root: (root / "file").write_text("old"))
        subject.layer("l1", lambda root: (root / "file").unlink(), parent="l0")
        subject.layer("l2", parent="l1")
        subject.layer("l3", lambda root: (root / "file").write_text("new"), parent="l2")
        assert [len(paths(subject.tree(f"l{number}"))) for number in range(4)] == [1, 0, 0, 1]
        with mounted(subject.snapshotter.view("v", "l3")) as root:
            assert (root / "file").read_text() == "new"

    def test_a_removed_directory_stays_removed(self, subject: Subject) -> None:
        """With its content."""
        subject.layer("l0", self._write_directory)
        subject.layer("l1", lambda root: shutil.rmtree(root / "dir"), parent="l0")
        subject.layer("l2", lambda root: (root / "other").touch(), parent="l1")
        assert not paths(subject.tree("l1"))
        assert paths(subject.tree("l2")) == {"other"}

    @staticmethod
    def _write_directory(root: Path) -> None:
        (root / "dir/deeper").mkdir(parents=True)
        (root / "dir/old").touch()
        (root / "dir/deeper/old").touch()

    def test_a_directory_made_again_hides_what_was_in_the_old_one(self, subject: Subject) -> None:
        """In the layer that creates it, and in those above."""

        def make_again(root: Path) -> None:
            shutil.rmtree(root / "dir")
            (root / "dir").mkdir()
            (root / "dir/new").touch()

        subject.layer("l0", self._write_directory)
        subject.layer("l1", make_again, parent="l0")
        subject.layer("l2", lambda root: (root / "dir/newer").touch(), parent="l1")
        assert paths(subject.tree("l1")) == {"dir", "dir/new"}
        assert paths(subject.tree("l2")) == {"dir", "dir/new", "dir/newer"}

    def test_a_file_in_place_of_a_directory(self, subject: Subject) -> None:
        """A directory that replaces the file is empty."""

        def to_file(root: Path) -> None:
            shutil.rmtree(root / "dir")
            (root / "dir").write_text("a file")

        def to_directory(root: Path) -> None:
            (root / "dir").unlink()
            (root / "dir").mkdir()

        subject.layer("l0", self._write_directory)
        subject.layer("l1", to_file, parent="l0")
        subject.layer("l2", to_directory, parent="l1")
        for name, type_ in (("l1", "file"), ("l2", "directory")):
            tree = subject.tree(name)
            assert paths(tree) == {"dir"}
            assert tree["dir"].type == type_

    def test_a_link_in_place_of_a_directory(self, subject: Subject) -> None:
        """The content of the directory does not show through the link."""

        def to_link(root: Path) -> None:
            shutil.rmtree(root / "dir")
            (root / "elsewhere").mkdir()
            (root / "dir").symlink_to("elsewhere")

        subject.layer("l0", self._write_directory)
        written = subject.layer("l1", to_link, parent="l0")
        assert_same(subject.tree("l1"), written)
        assert written["dir"].content == "elsewhere"
        assert "dir/old" not in written

    def test_owners_changed_all_over_a_tree(self, subject: Subject) -> None:
        """On files, links and directories including the root. The parent is unchanged."""

        def give_away(root: Path) -> None:
            for directory, _, files in os.walk(root):
                for name in (".", *files):
                    os.lchown(os.path.join(directory, name), 1001, 1002)

        before = subject.layer("l0", self._write_directory)
        after = subject.layer("l1", give_away, parent="l0")
        assert {(entry.uid, entry.gid) for entry in after.values()} == {(1001, 1002)}
        assert_same(subject.tree("l1"), after)
        assert_same(subject.tree("l0"), before)

    def test_owners_and_modes_of_directories_over_three_layers(self, subject: Subject) -> None:
        """Changed, removed, created again."""

        def first(root: Path) -> None:
            for name in ("a", "b", "c"):
                (root / name / "sub").mkdir(parents=True)
                (root / name).chmod(0o755)  # mkdir obeys the umask
            os.chown(root / "a", 1, 1)

        def second(root: Path) -> None:
            os.chown(root / "b", 2, 2)
            (root / "a").chmod(0o750)
            shutil.rmtree(root / "c")

        def third(root: Path) -> None:
            (root / "c").mkdir()
            (root / "c").chmod(0o711)
            os.chown(root / "c", 3, 3)
            (root / "a/sub/deep").mkdir()

        subject.layer("l0", first)
        subject.layer("l1", second, parent="l0")
        written = subject.layer("l2", third, parent="l1")
        assert_same(subject.tree("l2"), written)
        found = {name: (entry.uid, entry.mode) for name, entry in written.items() if name in "abc"}
        assert found == {"a": (1, 0o750), "b": (2, 0o755), "c": (3, 0o711)}
        assert "c/sub" not in written

    def test_a_file_moved_by_link_and_removal(self, subject: Subject) -> None:
        """A file of a lower layer is linked to a new name and unlinked from the old one."""

        def move(root: Path) -> None:
            os.link(root / "dir/old", root / "moved")
            (root / "dir/old").unlink()

        subject.layer("l0", self._write_directory)
        written = subject.layer("l1", move, parent="l0")
        assert_same(subject.tree("l1"), written)
        assert paths(written) == {"dir", "dir/deeper", "dir/deeper/old", "moved"}

    def test_files_of_a_lower_layer_renamed(self, subject: Subject) -> None:
        """To a new name, into another directory, and over another file."""

        def write(root: Path) -> None:
            for name in ("one", "two", "three", "target"):
                (root / name).write_text(name)
            (root / "dir").mkdir()

        def rename(root: Path) -> None:
            (root / "one").rename(root / "new")
            (root / "two").rename(root / "dir/two")
            (root / "three").rename(root / "target")

        subject.layer("l0", write)
        written = subject.layer("l1", rename, parent="l0")
        assert_same(subject.tree("l1"), written)
        assert paths(written) == {"new", "dir", "dir/two", "target"}
        with mounted(subject.snapshotter.view("v", "l1")) as root:
            assert (root / "target").read_text() == "three"

    def test_directories_of_the_same_layer_renamed(self, subject: Subject) -> None:
        """This works on every file system."""

        def write(root: Path) -> None:
            self._write_directory(root)
            (root / "dir").rename(root / "renamed")

        written = subject.layer("l0", write)
        assert paths(written) == {"renamed", "renamed/old", "renamed/deeper", "renamed/deeper/old"}
        assert_same(subject.tree("l0"), written)

    def test_directories_of_a_lower_layer_renamed(self, subject: Subject) -> None:
        """With their content; or rename(2) fails with EXDEV and programs copy instead."""

        def rename(root: Path) -> None:
            if not subject.traits.renames_directories:
                with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
                    (root / "dir").rename(root / "renamed")
            shutil.move(root / "dir", root / "renamed")

        subject.layer("l0", self._write_directory)
        written = subject.layer("l1", rename, parent="l0")
        assert paths(written) == {"renamed", "renamed/old", "renamed/deeper", "renamed/deeper/old"}
        assert_same(subject.tree("l1"), written)

    @pytest.mark.parametrize("seed", range(4))
    def test_a_random_history_shows_what_a_plain_directory_shows(self, subject: Subject, seed: int) -> None:
        """Random changes in layers have the same result as in an ordinary directory."""
        randomness = random.Random(seed)  # noqa: S311 - the same histories each time
        plain = subject.directory / "plain"
        plain.mkdir()
        plain.chmod(0o755)
        parent = ""
        for number in range(6):
            changes: list[Change] = make_random_changes(plain, randomness)

            def write(root: Path, changes: list[Change] = changes) -> None:
                for change in changes:
                    change(root)
                assert_same(subject.read(root, times=False), read_tree(plain, times=False))

            written = subject.layer(f"l{number}", write, parent)
            parent = f"l{number}"
            assert_same(subject.tree(parent), written)

    def test_128_layers(self, subject: Subject) -> None:
        """Each shows the lower layers, and adds and removes files."""
        plain = subject.directory / "plain"
        plain.mkdir()
        plain.chmod(0o755)

        def write(root: Path, number: int) -> None:
            (root / f"file{number}").write_text(str(number))
            (root / "count").write_text(str(number))
            if number >= 3:
                (root / f"file{number - 3}").unlink()

        parent = ""
        for number in range(LAYERS):
            with mounted(subject.snapshotter.prepare("key", parent)) as root:
                assert_same(subject.read(root, times=False), read_tree(plain, times=False))
                write(root, number)
            write(plain, number)
            parent = f"l{number}"
            subject.snapshotter.commit(parent, "key")
        with mounted(subject.snapshotter.view("v", parent)) as root:
            assert_same(subject.read(root, times=False), read_tree(plain, times=False))
