"""The mounts of the overlay snapshotter."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.mount import Mount, temporary_mount
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay")


def layer(snapshotter: LocalSnapshotter, name: str, parent: str, change: Callable[[Path], object]) -> None:
    """Commit a layer that differs from its parent by what `change` does to the mounted tree."""
    with temporary_mount(snapshotter.prepare(f"making {name}", parent)) as root:
        change(Path(root))
    snapshotter.commit(name, f"making {name}")


def chain(snapshotter: LocalSnapshotter, depth: int) -> None:
    for number in range(depth):
        parent = f"c{number - 1}" if number else ""
        layer(snapshotter, f"c{number}", parent, lambda root, n=number: (root / f"f{n}").write_text(f"{n}"))


def fs(root: Path, number: int) -> str:
    return f"{root}/overlay/snapshots/{number}/fs"


def test_an_active_snapshot_without_parent_is_a_writable_bind_mount(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    assert overlay.prepare("a") == [Mount("bind", fs(tmp_path, 1), ("rw", "rbind"))]


def test_a_view_without_parent_is_a_read_only_bind_mount(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    assert overlay.view("v") == [Mount("bind", fs(tmp_path, 1), ("ro", "rbind"))]


def test_a_view_of_one_layer_is_a_read_only_bind_mount_of_the_parent(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    chain(overlay, 1)
    assert overlay.view("v", "c0") == [Mount("bind", fs(tmp_path, 1), ("ro", "rbind"))]


def test_an_active_snapshot_on_layers_is_an_overlay_nearest_parent_first(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    chain(overlay, 2)
    own = fs(tmp_path, 3)
    lower = f"lowerdir={fs(tmp_path, 2)}:{fs(tmp_path, 1)}"
    options = (f"workdir={own.removesuffix('fs')}work", f"upperdir={own}", lower, "index=off")
    assert overlay.prepare("a", "c1") == [Mount("overlay", "overlay", options)]
    assert overlay.mounts("a") == [Mount("overlay", "overlay", options)]


def test_a_view_of_two_layers_is_an_overlay_without_upper(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    chain(overlay, 2)
    lower = f"lowerdir={fs(tmp_path, 2)}:{fs(tmp_path, 1)}"
    assert overlay.view("v", "c1") == [Mount("overlay", "overlay", (lower, "index=off"))]


def test_configured_options_precede_required_ones_and_do_not_apply_to_bind_mounts(tmp_path: Path) -> None:
    with open_overlay(tmp_path, options=("volatile", "index=off")) as overlay:
        assert overlay.prepare("a")[0].options == ("rw", "rbind")
        overlay.commit("c", "a")
        assert overlay.prepare("b", "c")[0].options[-2:] == ("volatile", "index=off")


def test_directories_have_the_modes_of_the_layout_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with open_overlay(tmp_path) as overlay:
            overlay.prepare("a")
    finally:
        os.umask(before)
    data = tmp_path / "overlay"
    modes = {
        path: (data / path).stat().st_mode & 0o7777 for path in ("snapshots", "snapshots/1", "snapshots/1/fs")
    }
    assert modes == {"snapshots": 0o700, "snapshots/1": 0o700, "snapshots/1/fs": 0o755}
    assert (data / "snapshots/1/work").stat().st_mode & 0o7777 == 0o711


def test_a_view_has_no_work_directory(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    overlay.view("v")
    assert os.listdir(tmp_path / "overlay/snapshots/1") == ["fs"]


def test_a_snapshot_inherits_the_owner_of_its_parents_root(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    layer(overlay, "c", "", lambda root: os.chown(root, 1000, 1001))
    overlay.prepare("a", "c")
    status = os.stat(fs(tmp_path, 2))
    assert (status.st_uid, status.st_gid) == (1000, 1001)


def test_mapping_labels_make_the_mapped_root_the_owner(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    overlay.prepare("a", labels={"containerd.io/snapshot/uidmapping": "5:9:1,0:2000:65536"})
    status = os.stat(fs(tmp_path, 1))
    assert (status.st_uid, status.st_gid) == (2000, 0)


def test_128_layers_mount_and_show_every_file(overlay: LocalSnapshotter) -> None:
    chain(overlay, 128)
    with temporary_mount(overlay.view("v", "c127")) as root:
        assert {name: (Path(root) / name).read_text() for name in os.listdir(root)} == {
            f"f{number}": str(number) for number in range(128)
        }


def test_a_deleted_file_stays_deleted_in_every_layer_above(overlay: LocalSnapshotter) -> None:
    chain(overlay, 2)
    layer(overlay, "without", "c1", lambda root: (root / "f0").unlink())
    layer(overlay, "above", "without", lambda root: (root / "new").touch())
    with temporary_mount(overlay.view("v", "above")) as root:
        assert sorted(os.listdir(root)) == ["f1", "new"]


def test_a_recreated_directory_hides_its_content_in_lower_layers(overlay: LocalSnapshotter) -> None:
    layer(overlay, "below", "", lambda root: ((root / "d").mkdir(), (root / "d/old").touch()))

    def make_anew(root: Path) -> None:
        (root / "d/old").unlink()
        (root / "d").rmdir()
        (root / "d").mkdir()
        (root / "d/new").touch()

    layer(overlay, "above", "below", make_anew)
    with temporary_mount(overlay.view("v", "above")) as root:
        assert os.listdir(Path(root) / "d") == ["new"]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_view_cannot_be_written_to(overlay: LocalSnapshotter, depth: int) -> None:
    chain(overlay, depth)
    mounts = overlay.view("v", f"c{depth - 1}" if depth else "")
    with temporary_mount(mounts) as root, pytest.raises(OSError, match="Read-only file system"):
        (Path(root) / "x").touch()


def test_writes_to_a_child_never_change_its_parent(overlay: LocalSnapshotter) -> None:
    chain(overlay, 2)
    with temporary_mount(overlay.prepare("a", "c1")) as root:
        (Path(root) / "f0").write_text("changed")
        with temporary_mount(overlay.view("v", "c1")) as parent:
            assert (Path(parent) / "f0").read_text() == "0"


def test_a_commit_can_set_the_parent_of_a_layer_with_whiteouts(overlay: LocalSnapshotter) -> None:
    """`rebase`: the layer was created without a parent, and contains a whiteout."""
    chain(overlay, 2)
    with temporary_mount(overlay.prepare("alone")) as root:
        os.mknod(Path(root) / "f0", 0o020000, os.makedev(0, 0))
    overlay.commit("rebased", "alone", parent="c1")
    with temporary_mount(overlay.view("v", "rebased")) as root:
        assert os.listdir(root) == ["f1"]
