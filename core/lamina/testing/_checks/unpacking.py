"""Layers of an image, unpacked as containerd unpacks them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from lamina.mount import Mount, overlay_directories
from lamina.testing._checks.subject import Checks, Subject, mounted, paths
from lamina.testing._tree import ROOT

KEY: Final = "default/12/extract-123456789-AbCd sha256:0123456789abcdef"
"""A key of containerd's unpacker, as a snapshotter behind its metadata gets it."""
BASE: Final = {"gone", "kept", "opq", "opq/old", "dir", "dir/gone"}
REMAINING: Final = {"kept", "opq", "opq/new", "dir", "new"}
"""What is left of `BASE` when `LAYER` was applied to it."""


@attrs.frozen
class Layer:
    """What the archive of a layer holds, as paths."""

    opaque: tuple[str, ...] = ()
    """Directories, which exist below, and lose what is in them there."""
    deleted: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def apply(self, mounts: Sequence[Mount]) -> None:
        """Apply the layer as containerd's applier does, to what a snapshotter returned.

        It writes straight into the upper directory of a single overlay, and there whiteouts of overlayfs; whatever
        else it mounts, and there it deletes what it finds.
        """
        upper = overlay_directories(mounts[0].options).upper if _is_one_overlay(mounts) else ""
        if upper:
            self._write_whiteouts(Path(upper))
            self._write_files(Path(upper))
            return
        with mounted(mounts) as root:
            self._delete(root)
            self._write_files(root)

    def _write_whiteouts(self, upper: Path) -> None:
        for name in self.opaque:
            (upper / name).mkdir(parents=True, exist_ok=True)
            os.setxattr(upper / name, "trusted.overlay.opaque", b"y")
        for name in self.deleted:
            (upper / name).parent.mkdir(parents=True, exist_ok=True)
            os.mknod(upper / name, stat.S_IFCHR, 0)

    def _delete(self, root: Path) -> None:
        for name in self.opaque:
            (root / name).mkdir(parents=True, exist_ok=True)
            for path in (root / name).iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        for name in self.deleted:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).unlink(missing_ok=True)

    def _write_files(self, root: Path) -> None:
        for name in self.files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
        for directory in {root, *(root / name for name in self.opaque)}:
            os.utime(directory, ns=(0, 0))


LAYER: Final = Layer(opaque=("opq",), deleted=("gone", "dir/gone"), files=("new", "opq/new"))


class UnpackChecks(Checks):
    """What a layer deletes of those below it is gone, whatever mounts it was applied to."""

    @staticmethod
    def _base(subject: Subject) -> None:
        Layer(files=("gone", "kept", "opq/old", "dir/gone")).apply(subject.snapshotter.prepare(KEY))
        subject.snapshotter.commit("base", KEY)
        assert paths(subject.tree("base")) == BASE

    def test_a_layer_that_is_unpacked_on_its_parent_deletes_of_it(self, subject: Subject) -> None:
        """One layer after another, as all releases of containerd can."""
        self._base(subject)
        LAYER.apply(subject.snapshotter.prepare(KEY, "base"))
        subject.snapshotter.commit("c", KEY)
        assert paths(subject.tree("c")) == REMAINING

    def test_a_layer_that_is_unpacked_beside_its_parent_deletes_of_it(self, subject: Subject) -> None:
        """As containerd does from 2.2 on: prepared without a parent, and put on it at commit (`rebase`)."""
        if not subject.traits.rebase:
            return  # containerd, which is told so, waits for the parent
        self._base(subject)
        LAYER.apply(subject.snapshotter.prepare(KEY))
        subject.snapshotter.commit("c", KEY, parent="base")
        assert paths(subject.tree("c")) == REMAINING
        subject.layer("d", parent="c")
        assert paths(subject.tree("d")) == REMAINING

    def test_a_layer_may_delete_all_that_is_below_it(self, subject: Subject) -> None:
        """Its root directory is opaque then."""
        self._base(subject)
        for number, parent in enumerate(("base", "") if subject.traits.rebase else ("base",)):
            layer = Layer(opaque=(".",), files=("new", "dir/new"))
            layer.apply(subject.snapshotter.prepare(KEY, parent))
            subject.snapshotter.commit(f"c{number}", KEY, parent="base")
            shown = subject.tree(f"c{number}")
            assert paths(shown) == {"new", "dir", "dir/new"}
            assert shown[ROOT].mtime == 0

    def test_what_the_first_layer_deletes_of_nothing_leaves_no_trace(self, subject: Subject) -> None:
        """Neither in a view nor in what is built on it, nor in the times of its directories."""
        LAYER.apply(subject.snapshotter.prepare(KEY))
        subject.snapshotter.commit("c", KEY)
        subject.layer("d", parent="c")
        for name in ("c", "d"):
            shown = subject.tree(name)
            assert paths(shown) == REMAINING - {"kept"}
            assert shown["opq"].xattrs == {}
            assert (shown[ROOT].mtime, shown["opq"].mtime) == (0, 0)


def _is_one_overlay(mounts: Sequence[Mount]) -> bool:
    return len(mounts) == 1 and mounts[0].type == "overlay"
