"""Checks that unpack image layers as containerd does."""

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
"""A key of containerd's unpacker, as containerd passes it to a snapshotter."""
BASE: Final = {"gone", "kept", "opq", "opq/old", "dir", "dir/gone"}
REMAINING: Final = {"kept", "opq", "opq/new", "dir", "new"}
"""The paths after `LAYER` was applied to `BASE`."""


@attrs.frozen
class Layer:
    """The content of a layer's archive, as paths."""

    opaque: tuple[str, ...] = ()
    """Opaque directories, which hide the content of the same directory in lower layers."""
    deleted: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def apply(self, mounts: Sequence[Mount]) -> None:
        """Apply the layer to the mounts of a snapshotter, as containerd's applier does.

        A single overlay is not mounted: files and whiteouts go directly into its upper directory. Anything else is
        mounted, and deleted files are removed.
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
    """Deletions in a layer take effect, whichever mounts the layer was applied to."""

    @staticmethod
    def _base(subject: Subject) -> None:
        Layer(files=("gone", "kept", "opq/old", "dir/gone")).apply(subject.snapshotter.prepare(KEY))
        subject.snapshotter.commit("base", KEY)
        assert paths(subject.tree("base")) == BASE

    def test_a_layer_that_is_unpacked_on_its_parent_deletes_of_it(self, subject: Subject) -> None:
        """Layers are unpacked one after another, as all releases of containerd can."""
        self._base(subject)
        LAYER.apply(subject.snapshotter.prepare(KEY, "base"))
        subject.snapshotter.commit("c", KEY)
        assert paths(subject.tree("c")) == REMAINING

    def test_a_layer_that_is_unpacked_beside_its_parent_deletes_of_it(self, subject: Subject) -> None:
        """As containerd 2.2 does: prepared without a parent, which the commit sets (`rebase`)."""
        if not subject.traits.rebase:
            return  # containerd then unpacks layers one after another
        self._base(subject)
        LAYER.apply(subject.snapshotter.prepare(KEY))
        subject.snapshotter.commit("c", KEY, parent="base")
        assert paths(subject.tree("c")) == REMAINING
        subject.layer("d", parent="c")
        assert paths(subject.tree("d")) == REMAINING

    def test_a_layer_may_delete_all_that_is_below_it(self, subject: Subject) -> None:
        """Its root directory is opaque."""
        self._base(subject)
        for number, parent in enumerate(("base", "") if subject.traits.rebase else ("base",)):
            layer = Layer(opaque=(".",), files=("new", "dir/new"))
            layer.apply(subject.snapshotter.prepare(KEY, parent))
            subject.snapshotter.commit(f"c{number}", KEY, parent="base")
            shown = subject.tree(f"c{number}")
            assert paths(shown) == {"new", "dir", "dir/new"}
            assert shown[ROOT].mtime == 0

    def test_what_the_first_layer_deletes_of_nothing_leaves_no_trace(self, subject: Subject) -> None:
        """Neither in a view nor in a child, nor in the times of directories."""
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
