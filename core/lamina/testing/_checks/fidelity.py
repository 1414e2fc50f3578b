"""Checks of the content and metadata of layers."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from lamina.testing._checks.features import FEATURES, ROOT_FEATURES, SECOND
from lamina.testing._checks.subject import Checks, Subject, assert_same, mounted
from lamina.testing._tree import ROOT

SPARSE: Final = 64 << 20


def write_sample(root: Path) -> None:
    """Write one file of each type that the changes need."""
    (root / "dir/inner").mkdir(parents=True)
    (root / "file").write_bytes(b"0123456789" * 1000)
    (root / "dir/file").write_text("in a directory")
    os.link(root / "file", root / "dir/second name")
    (root / "link").symlink_to("file")
    os.mknod(root / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mkfifo(root / "fifo")
    os.setxattr(root / "file", "user.x", b"1")


def overwrite(path: Path) -> None:
    """Overwrite the beginning of a file in place."""
    with path.open("r+b") as file:
        file.write(b"CHANGED")


def add_another(root: Path) -> None:
    """Create a file and restore the times of the root."""
    status = root.stat()
    (root / "another").touch()
    os.utime(root, ns=(status.st_atime_ns, status.st_mtime_ns))


def append(path: Path) -> None:
    """Append to a file."""
    with path.open("ab") as file:
        file.write(b"MORE")


CHANGES: dict[str, Callable[[Path], Any]] = {
    "overwriting": lambda root: overwrite(root / "file"),
    "overwriting through a second name": lambda root: overwrite(root / "dir/second name"),
    "appending": lambda root: append(root / "file"),
    "truncating": lambda root: os.truncate(root / "file", 5),
    "changing a mode": lambda root: (root / "file").chmod(0o4711),
    "changing a directory's mode": lambda root: (root / "dir").chmod(0o700),
    "changing an owner": lambda root: os.chown(root / "file", 12, 34),
    "changing a time": lambda root: os.utime(root / "dir/file", ns=(1, 1)),
    "changing a directory's time": lambda root: os.utime(root / "dir", ns=(1, 1)),
    "changing a link's owner": lambda root: os.lchown(root / "link", 12, 34),
    "changing a device's mode": lambda root: (root / "device").chmod(0o666),
    "changing a FIFO's owner": lambda root: os.chown(root / "fifo", 12, 34),
    "setting an attribute": lambda root: os.setxattr(root / "file", "user.x", b"2"),
    "removing an attribute": lambda root: os.removexattr(root / "file", "user.x"),
    "setting a directory's attribute": lambda root: os.setxattr(root / "dir", "user.new", b"1"),
    "changing the root's mode": lambda root: root.chmod(0o711),
    "changing the root's owner": lambda root: os.chown(root, 12, 34),
    "changing the root's time": lambda root: os.utime(root, ns=(1, 1)),
    "setting an attribute of the root": lambda root: os.setxattr(root, "user.new", b"1"),
    "linking": lambda root: os.link(root / "file", root / "third name"),
    "replacing": lambda root: os.rename(root / "dir/file", root / "file"),
    "removing": lambda root: shutil.rmtree(root / "dir"),
}

WRITES: dict[str, Callable[[Path], Any]] = {
    "open a file to write": lambda root: overwrite(root / "file"),
    "make a file": lambda root: (root / "new").touch(),
    "make a directory": lambda root: (root / "dir/new").mkdir(),
    "remove a file": lambda root: (root / "file").unlink(),
    "rename": lambda root: (root / "file").rename(root / "renamed"),
    "change a mode": lambda root: (root / "file").chmod(0o600),
    "change an owner": lambda root: os.chown(root / "file", 1, 1),
    "change a time": lambda root: os.utime(root / "file", ns=(1, 1)),
    "set an attribute": lambda root: os.setxattr(root / "file", "user.y", b"1"),
    "truncate": lambda root: os.truncate(root / "file", 0),
    "link": lambda root: os.link(root / "file", root / "linked"),
    "change the root's mode": lambda root: root.chmod(0o700),
    "change the root's time": lambda root: os.utime(root, ns=(1, 1)),
}


def _is_refused(write: Callable[[Path], Any], root: Path) -> bool:
    """Return whether a write fails because the file system is read-only."""
    try:
        write(root)
    except OSError as error:
        return error.errno == errno.EROFS
    return False


class ContentChecks(Checks):
    """Layers preserve all content and metadata, and children never change their parents."""

    @pytest.mark.parametrize("feature", FEATURES)
    def test_layers_keep(self, subject: Subject, feature: str) -> None:
        """In the committed snapshot, in layers above it, and in an active child."""
        written = subject.layer("one", FEATURES[feature])
        assert_same(subject.tree("one"), written)
        two = subject.layer("two", add_another, parent="one")
        two.pop("another")
        assert_same(two, written)
        subject.snapshotter.prepare("three", "two")
        three = subject.active_tree("three")
        three.pop("another")
        assert_same(three, written)

    @pytest.mark.parametrize("feature", ROOT_FEATURES)
    def test_the_root_keeps(self, subject: Subject, feature: str) -> None:
        """In views and in children, through a chain of layers."""

        def write(root: Path) -> None:
            try:
                ROOT_FEATURES[feature](root)
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise
                pytest.skip(f"the file system has no {feature}")

        written = subject.layer("one", write)
        assert_same(subject.tree("one"), written)
        for name, parent in (("two", "one"), ("three", "two")):
            assert_same(subject.layer(name, parent=parent), written)
            assert_same(subject.tree(name), written)
        shown = [name for name in written[ROOT].xattrs if ".overlay." in name]
        assert shown == []

    def test_files_with_holes_keep_them(self, subject: Subject) -> None:
        """In views and in children, holes occupy no space."""

        def write(root: Path) -> None:
            with (root / "sparse").open("wb") as file:
                file.write(b"head")
                file.seek(SPARSE)
                file.write(b"tail")

        written = subject.layer("c", write)
        subject.snapshotter.view("v", "c")
        subject.snapshotter.prepare("a", "c")
        for key in ("v", "a"):
            with mounted(subject.snapshotter.mounts(key)) as root:
                assert (root / "sparse").stat().st_blocks * 512 < SPARSE // 4
                assert_same(subject.read(root), written)

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_parent_is_not_changed_by(self, subject: Subject, change: str) -> None:
        """Changes in a child: shared inodes are never visible."""
        before = subject.layer("base", write_sample)
        subject.snapshotter.prepare("sibling", "base")
        with mounted(subject.snapshotter.prepare("child", "base")) as root:
            CHANGES[change](root)
            changed = subject.read(root)
        assert changed != before
        assert_same(subject.tree("base"), before)
        assert_same(subject.active_tree("sibling"), before)
        assert_same(subject.active_tree("child"), changed)
        subject.snapshotter.commit("layer", "child")
        assert_same(subject.tree("layer"), changed)

    @pytest.mark.parametrize("layers", [1, 2])
    def test_in_a_view_nobody_can_write(self, subject: Subject, layers: int) -> None:
        """With one and with two layers: the file system is mounted read-only."""
        subject.layer("layer1", write_sample)
        subject.layer("layer2", lambda root: (root / "more").touch(), parent="layer1")
        before = subject.tree(f"layer{layers}")
        with mounted(subject.snapshotter.view("v", f"layer{layers}")) as root:
            written = [what for what, write in WRITES.items() if not _is_refused(write, root)]
            assert written == []
            assert_same(subject.read(root), before)

    def test_in_a_view_of_nothing_nobody_can_write(self, subject: Subject) -> None:
        """Although there is no parent to protect."""
        with (
            mounted(subject.snapshotter.view("v")) as root,
            pytest.raises(OSError, match=os.strerror(errno.EROFS)),
        ):
            (root / "new").touch()

    def test_a_committed_tree_is_not_changed_through_old_mounts(self, subject: Subject) -> None:
        """A mounted view of a parent is unaffected by changes to its children."""
        before = subject.layer("base", write_sample)
        with mounted(subject.snapshotter.view("v", "base")) as view:
            subject.layer("child", CHANGES["removing"], parent="base")
            assert_same(subject.read(view), before)

    def test_times_of_untouched_directories_stay(self, subject: Subject) -> None:
        """A change in one directory does not affect others."""
        subject.layer("base", FEATURES["times"])
        before = subject.tree("base")
        after = subject.layer("c", lambda root: (root / "directory/inner/new").touch(), parent="base")
        assert after["directory"] == before["directory"]
        assert after["directory/inner"].mtime > 1_700_000_000 * SECOND
