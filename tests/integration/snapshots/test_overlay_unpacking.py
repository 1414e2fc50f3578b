"""The overlay snapshotter under containerd's unpacker, which prepares layers without a parent."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import Aborted, FailedPrecondition, PermissionDenied, Unknown
from lamina.mount import Mount, temporary_mount
from lamina.snapshots import Snapshotter
from lamina.snapshots.local import LocalSnapshotter
from lamina.testing._checks.unpacking import KEY, LAYER, Layer
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay")

BASE = Layer(files=("gone", "kept", "opq/old", "dir/gone"))
LABELS = {
    "containerd.io/snapshot/uidmapping": "0:1000:65536",
    "containerd.io/snapshot/gidmapping": "0:2000:65536",
}


def shown(mounts: list[Mount]) -> set[str]:
    """Return the files in a mounted tree."""
    with temporary_mount(mounts) as root:
        return {
            os.path.relpath(os.path.join(directory, name), root)
            for directory, _, names in os.walk(root)
            for name in names
        }


def whiteouts(root: Path) -> set[str]:
    """Return the whiteouts and opaque directories of a layer."""
    found = set()
    for directory, _, files in os.walk(root):
        if any(name.endswith("overlay.opaque") for name in os.listxattr(directory)):
            found.add(os.path.relpath(directory, root))
        for path in (Path(directory, name) for name in files):
            if stat.S_ISCHR(path.lstat().st_mode):
                found.add(os.path.relpath(path, root))
    return found


def unpacked(snapshotter: Snapshotter, name: str, layer: Layer, parent: str = "") -> None:
    """Unpack a layer as containerd does in parallel."""
    layer.apply(snapshotter.prepare(KEY))
    snapshotter.commit(name, KEY, parent=parent)


def test_a_layer_without_parent_is_unpacked_onto_an_overlay_of_the_empty_directory(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    own = f"{tmp_path}/overlay/snapshots/1"
    options = (f"workdir={own}/work", f"upperdir={own}/fs", f"lowerdir={tmp_path}/overlay/empty", "index=off")
    expected = [Mount("overlay", "overlay", options)]
    assert overlay.prepare(KEY) == expected
    assert overlay.mounts(KEY) == expected
    assert shown(expected) == set()


@pytest.mark.parametrize(
    ("key", "type_"),
    [
        ("default/12/extract-123-AbCd sha256:1", "overlay"),
        ("extract-123-AbCd sha256:1", "overlay"),
        ("default/12/my extract-123", "bind"),
        ("extract-namespace/12/key", "bind"),
        ("default/12/extract", "bind"),
    ],
)
def test_the_key_after_the_last_slash_identifies_an_unpack(
    overlay: LocalSnapshotter, key: str, type_: str
) -> None:
    assert overlay.prepare(key)[0].type == type_


def test_a_view_is_a_bind_mount_whatever_its_key(overlay: LocalSnapshotter) -> None:
    assert overlay.view(KEY)[0].type == "bind"


def test_the_empty_directory_cannot_be_written_to_by_others_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with open_overlay(tmp_path):
            pass
    finally:
        os.umask(before)
    status = (tmp_path / "overlay/empty").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o555, 0, 0)


def test_a_link_in_place_of_the_empty_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay/empty").symlink_to("/etc")
    with pytest.raises(FailedPrecondition, match="empty is not a directory"), open_overlay(tmp_path):
        pass


def test_an_empty_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "overlay/empty").mkdir(parents=True)
    os.chown(tmp_path / "overlay/empty", 1000, 1000)
    with pytest.raises(PermissionDenied, match=r"overlay/empty belongs to"), open_overlay(tmp_path):
        pass


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A data root of an older lamina with a snapshot, on a read-only file system."""
    root = tmp_path / "overlay"
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("a")
    (root / "empty").rmdir()
    subprocess.run(["mount", "--bind", root, root], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
        yield root
    finally:
        subprocess.run(["umount", root], check=True)


def test_a_read_only_data_root_without_the_empty_directory_is_served(read_only: Path, tmp_path: Path) -> None:
    """The first snapshot that needs the directory creates it."""
    with open_overlay(tmp_path, options=("index=off",)) as overlay:
        assert [info.name for info in overlay.walk()] == ["a"]
        assert not (read_only / "empty").exists()
        subprocess.run(["mount", "-o", "remount,bind,rw", read_only], check=True)
        assert shown(overlay.prepare(KEY)) == set()


def test_deletions_in_a_rebased_layer_take_effect(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    unpacked(overlay, "base", BASE)
    unpacked(overlay, "c", LAYER, parent="base")
    assert shown(overlay.view("v", "c")) == {"kept", "new", "opq/new"}
    assert whiteouts(tmp_path / "overlay/snapshots/2/fs") == {"gone", "dir/gone", "opq"}


def test_whiteouts_of_a_layer_without_a_parent_are_removed_and_not_counted(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    unpacked(overlay, "c", LAYER)
    assert whiteouts(tmp_path / "overlay/snapshots/1/fs") == set()
    unpacked(overlay, "same", Layer(files=("new", "opq/new", "dir/file")))
    assert overlay.usage("c").inodes == overlay.usage("same").inodes - 1
    assert shown(overlay.view("v", "c")) == {"new", "opq/new"}


@pytest.mark.parametrize("beside", [True, False])
def test_whiteouts_in_directories_that_overlayfs_does_not_merge_are_removed_and_not_listed(
    overlay: LocalSnapshotter, tmp_path: Path, beside: bool
) -> None:
    """In new directories, in those that replace a file or a deleted one, and in opaque ones and all below."""
    files = ("file", "gone/old", "opq/old", "opq/in/old", "kept/old", "kept/in/old")
    unpacked(overlay, "base", Layer(files=files))
    unpacked(overlay, "between", Layer(deleted=("file", "gone"), files=("kept/more",)), parent="base")
    deleted = ("new/x", "file/x", "gone/old", "opq/old", "opq/in/old", "kept/old", "kept/in/old", "kept/new/x")
    Layer(opaque=("opq",), deleted=deleted, files=("new/y",)).apply(
        overlay.prepare(KEY, "" if beside else "between")
    )
    os.utime(tmp_path / "overlay/snapshots/3/fs/new", ns=(0, 0))
    overlay.commit("c", KEY, parent="between")
    assert whiteouts(tmp_path / "overlay/snapshots/3/fs") == {"opq", "kept/old", "kept/in/old"}
    mounts = overlay.view("v", "c")
    assert shown(mounts) == {"new/y", "kept/more"}
    with temporary_mount(mounts) as root:
        assert os.stat(f"{root}/new").st_mtime == 0


def test_whiteouts_in_a_directory_of_a_lower_layer_that_was_renamed_are_kept(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    """With `redirect_dir`, overlayfs merges it with the directory of its former name."""
    unpacked(overlay, "base", Layer(files=("old/dir/file",)))
    Layer(deleted=("new/dir/file",)).apply(overlay.prepare(KEY, "base"))
    os.setxattr(tmp_path / "overlay/snapshots/2/fs/new", "trusted.overlay.redirect", b"old")
    overlay.commit("c", KEY)
    Layer(deleted=("new/dir/other",)).apply(overlay.prepare(KEY, "c"))
    overlay.commit("d", KEY)
    assert whiteouts(tmp_path / "overlay/snapshots/2/fs") == {"new/dir/file"}
    assert whiteouts(tmp_path / "overlay/snapshots/3/fs") == {"new/dir/other"}


def test_measuring_an_active_snapshot_keeps_its_whiteouts(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    LAYER.apply(overlay.prepare(KEY))
    overlay.usage(KEY)
    assert whiteouts(tmp_path / "overlay/snapshots/1/fs") == {"gone", "dir/gone", "opq"}


def test_a_commit_that_failed_after_removing_whiteouts_can_be_repeated(
    overlay: LocalSnapshotter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise Unknown("the disk is gone")

    LAYER.apply(overlay.prepare(KEY))
    with monkeypatch.context() as broken:
        broken.setattr(overlay._root, "sync", fail)
        with pytest.raises(Unknown):
            overlay.commit("c", KEY)
    assert whiteouts(tmp_path / "overlay/snapshots/1/fs") == set()
    overlay.commit("c", KEY)
    assert shown(overlay.view("v", "c")) == {"new", "opq/new"}


@pytest.mark.parametrize("first", ["", "bare"])
def test_a_commit_repeated_with_another_parent_never_shows_what_the_layer_deletes(
    overlay: LocalSnapshotter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The first commit removes whiteouts that mean nothing above its own parent."""

    def fail() -> None:
        raise Unknown("the disk is gone")

    unpacked(overlay, "base", BASE)
    unpacked(overlay, "bare", Layer(files=("kept",)))
    LAYER.apply(overlay.prepare(KEY))
    with monkeypatch.context() as broken:
        broken.setattr(overlay._root, "sync", fail)
        with pytest.raises(Unknown):
            overlay.commit("c", KEY, parent=first)
    with pytest.raises(FailedPrecondition, match="adapted the layer to another parent"):
        overlay.commit("c", KEY, parent="base")
    overlay.commit("c", KEY, parent=first)
    assert set(os.listdir(tmp_path / "overlay/snapshots/3")) == {"fs", "work"}


@pytest.mark.parametrize("restarts", [False, True])
def test_a_small_layer_is_not_committed_onto_another_parent_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: bool
) -> None:
    """Once its only whiteout is removed, it has nothing that a commit has to look at."""

    def fail() -> None:
        raise Unknown("the disk is gone")

    with contextlib.ExitStack() as opened:
        overlay = opened.enter_context(open_overlay(tmp_path))
        unpacked(overlay, "base", BASE)
        Layer(deleted=("gone",)).apply(overlay.prepare(KEY))
        with monkeypatch.context() as broken:
            broken.setattr(overlay._root, "sync", fail)
            with pytest.raises(Unknown):
                overlay.commit("c", KEY)
        assert os.listdir(tmp_path / "overlay/snapshots/2/fs") == []
        if restarts:
            opened.close()
            overlay = opened.enter_context(open_overlay(tmp_path))
        with pytest.raises(FailedPrecondition, match="adapted the layer to another parent"):
            overlay.commit("c", KEY, parent="base")


def test_a_parent_made_again_while_a_layer_is_committed_onto_it_is_refused(
    overlay: LocalSnapshotter, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked(overlay, "base", Layer(files=("kept",)))
    LAYER.apply(overlay.prepare(KEY))
    sync = overlay._root.sync

    def replace_parent() -> None:
        sync()
        monkeypatch.undo()
        overlay.remove("base")
        BASE.apply(overlay.prepare("beside"))
        overlay.commit("base", "beside")

    monkeypatch.setattr(overlay._root, "sync", replace_parent)
    with pytest.raises(Aborted, match="'base' was removed and made again while"):
        overlay.commit("c", KEY, parent="base")


@pytest.mark.parametrize("beside", [True, False])
def test_opaque_directories_of_containerd_work_with_userxattr(tmp_path: Path, beside: bool) -> None:
    """overlayfs then reads `user.overlay.opaque`, but containerd writes `trusted.overlay.opaque`."""
    with open_overlay(tmp_path, options=("userxattr", "index=off")) as overlay:
        unpacked(overlay, "base", BASE)
        LAYER.apply(overlay.prepare(KEY, "" if beside else "base"))
        overlay.commit("c", KEY, parent="base")
        assert shown(overlay.view("v", "c")) == {"kept", "new", "opq/new"}


def test_a_commit_that_failed_to_expand_an_opaque_root_can_be_repeated(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    """overlayfs ignores an opaque root directory, so each lower name is hidden separately."""
    unpacked(overlay, "base", BASE)
    Layer(opaque=(".",), files=("new", "dir/new")).apply(overlay.prepare(KEY))
    root = tmp_path / "overlay/snapshots/2/fs"
    subprocess.run(["chattr", "+i", root / "dir"], check=True)
    try:
        with pytest.raises(PermissionDenied):
            overlay.commit("c", KEY, parent="base")
    finally:
        subprocess.run(["chattr", "-i", root / "dir"], check=True)
    assert "." in whiteouts(root)
    overlay.commit("c", KEY, parent="base")
    assert shown(overlay.view("v", "c")) == {"new", "dir/new"}
    assert whiteouts(root) == {"gone", "kept", "opq", "dir"}


def test_a_layer_unpacked_for_mapped_users_belongs_to_the_containers_root(tmp_path: Path) -> None:
    """An overlay maps only its lower layers, not the upper one."""
    with open_overlay(tmp_path, remap_ids=True) as overlay:
        mounts = overlay.prepare(KEY, labels=LABELS)
        assert mounts[0].options[:2] == ("uidmap=0:1000:65536", "gidmap=0:2000:65536")
        with temporary_mount(mounts) as root:
            status = os.stat(root)
    assert (status.st_uid, status.st_gid) == (1000, 2000)
