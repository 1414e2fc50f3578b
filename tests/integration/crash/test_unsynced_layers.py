"""An empty layer is committed without a sync, and recreated if a crash loses it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss
from lamina.mount import temporary_mount
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay")

Open = Callable[[Path], contextlib.AbstractContextManager[LocalSnapshotter]]
BOTH = pytest.mark.parametrize("open_", [open_overlay, open_native])


def prepare_and_write(snapshotter: LocalSnapshotter, parent: str, write: Callable[[Path], object]) -> None:
    with temporary_mount(snapshotter.prepare("making", parent)) as root:
        write(Path(root))


def make_root_unlike_others(root: Path) -> None:
    os.chown(root, 7, 8)
    root.chmod(0o1701)
    os.setxattr(root, "user.x", b"value")
    os.utime(root, ns=(1, 123_456_789))


def make_base(snapshotter: LocalSnapshotter) -> None:
    prepare_and_write(snapshotter, "", make_root_unlike_others)
    snapshotter.commit("base", "making")


def syncs(snapshotter: LocalSnapshotter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list to which each syncfs of the data root adds something."""
    done: list[int] = []
    monkeypatch.setattr(snapshotter._root._sync, "_syncfs", done.append)
    return done


def data(snapshotter: LocalSnapshotter, name: str) -> Path:
    return Path(snapshotter._backend.path(snapshotter._keyspace.get(name).id))


@BOTH
def test_an_unchanged_layer_is_committed_without_a_sync(
    tmp_path: Path, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_(tmp_path) as snapshotter:
        make_base(snapshotter)
        done = syncs(snapshotter, monkeypatch)
        prepare_and_write(snapshotter, "base", lambda root: list(root.iterdir()))
        snapshotter.commit("layer", "making")
    assert done == []


@BOTH
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda root: (root / "f").touch(), id="a file"),
        pytest.param(lambda root: (root / "d").mkdir(), id="a directory"),
        pytest.param(lambda root: root.chmod(0o700), id="the mode"),
        pytest.param(lambda root: os.chown(root, 7, 9), id="the owner"),
        pytest.param(lambda root: os.setxattr(root, "user.x", b"other"), id="an attribute"),
        pytest.param(lambda root: os.removexattr(root, "user.x"), id="no attribute"),
        pytest.param(lambda root: os.utime(root, ns=(1, 5)), id="the time"),
    ],
)
def test_a_changed_layer_is_synced(
    tmp_path: Path, open_: Open, write: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_(tmp_path) as snapshotter:
        make_base(snapshotter)
        done = syncs(snapshotter, monkeypatch)
        prepare_and_write(snapshotter, "base", write)
        snapshotter.commit("layer", "making")
    assert len(done) == 1


@BOTH
def test_a_first_layer_is_synced(tmp_path: Path, open_: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of its root directory is unknown."""
    with open_(tmp_path) as snapshotter:
        done = syncs(snapshotter, monkeypatch)
        snapshotter.prepare("making")
        snapshotter.commit("base", "making")
    assert len(done) == 1


def test_a_rebased_layer_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be older than its parent, which must be created first."""
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("extract-layer")
        make_base(overlay)
        done = syncs(overlay, monkeypatch)
        fs = data(overlay, "extract-layer") / "fs"
        status = (data(overlay, "base") / "fs").stat()
        os.utime(fs, ns=(status.st_atime_ns, status.st_mtime_ns))
        overlay.commit("layer", "extract-layer", parent="base")
    assert len(done) == 1


@BOTH
def test_an_empty_layer_lost_in_a_crash_is_recreated(tmp_path: Path, open_: Open) -> None:
    with open_(tmp_path) as snapshotter:
        make_base(snapshotter)
        for parent, name in (("base", "first"), ("first", "second")):
            snapshotter.prepare("making", parent)
            snapshotter.commit(name, "making")
        for name in ("first", "second"):
            shutil.rmtree(data(snapshotter, name))
        snapshotter._store.remember_boot("the boot before the crash")
    with open_(tmp_path) as snapshotter, temporary_mount(snapshotter.view("view", "second")) as root:
        assert os.listdir(root) == []
        status = os.stat(root)
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (7, 8, 0o1701)
        assert status.st_mtime_ns == 123_456_789
        assert os.getxattr(root, "user.x") == b"value"


@BOTH
def test_a_lost_layer_with_files_is_not_recreated(tmp_path: Path, open_: Open) -> None:
    with open_(tmp_path) as snapshotter:
        make_base(snapshotter)
        prepare_and_write(snapshotter, "base", lambda root: (root / "f").touch())
        snapshotter.commit("layer", "making")
        shutil.rmtree(data(snapshotter, "layer"))
        snapshotter._store.remember_boot("the boot before the crash")
    with open_(tmp_path) as snapshotter:
        assert not data(snapshotter, "layer").exists()
        if open_ is open_native:
            with pytest.raises(DataLoss):
                snapshotter.prepare("active", "layer")


def test_a_lost_tree_that_was_emptied_is_not_recreated(tmp_path: Path) -> None:
    """Native would make a copy of the parent's files, which were deleted."""
    with open_native(tmp_path) as native:
        prepare_and_write(native, "", lambda root: (root / "f").touch())
        native.commit("base", "making")
        prepare_and_write(native, "base", lambda root: (root / "f").unlink())
        native.commit("layer", "making")
        shutil.rmtree(data(native, "layer"))
        native._store.remember_boot("the boot before the crash")
    with open_native(tmp_path) as native:
        assert not data(native, "layer").exists()
