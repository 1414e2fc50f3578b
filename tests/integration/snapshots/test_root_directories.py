"""The root directory is the same in a view of a layer and in its children."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import pytest

from lamina.mount import Mount, temporary_mount
from lamina.snapshots.local import LocalSnapshotter
from lamina.testing import Entry, read_tree
from tests.support.snapshotters.btrfs import mounted_btrfs, open_btrfs
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay")

NOBODY = 0xFFFFFFFF
UIDS, GIDS = "0:1000:10", "0:2000:10,20:3000:1"
LABELS = {"containerd.io/snapshot/uidmapping": UIDS, "containerd.io/snapshot/gidmapping": GIDS}


def acl(user: int, group: int) -> bytes:
    """Return a `system.posix_acl_access` (linux/posix_acl_xattr.h) that lets a user and a group read."""
    entries = (
        (0x01, 7, NOBODY), (0x02, 5, user), (0x04, 5, NOBODY),
        (0x08, 5, group), (0x10, 7, NOBODY), (0x20, 0, NOBODY),
    )  # fmt: skip
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def layer(
    snapshotter: LocalSnapshotter, name: str, parent: str = "", write: Callable[[Path], object] = lambda _: None
) -> None:
    with temporary_mount(snapshotter.prepare("making", parent)) as root:
        write(Path(root))
    snapshotter.commit(name, "making")


def root_of(mounts: Sequence[Mount], directory: Path | None = None) -> Entry:
    """Return the root entry of a mounted snapshot."""
    with temporary_mount(mounts, directory=directory) as root:
        return read_tree(root, ignore=os.listdir(root))["."]


def write_root(root: Path) -> None:
    os.chown(root, 5, 6)
    root.chmod(0o1770)
    os.setxattr(root, "system.posix_acl_access", acl(7, 8))
    os.setxattr(root, "user.x", b"1")
    os.setxattr(root, "trusted.y", b"2")
    os.utime(root, ns=(1, 1_600_000_000_123_456_789))


@pytest.mark.requires("btrfs")
@pytest.mark.parametrize(
    "open_snapshotter", [open_overlay, open_native, open_btrfs], ids=["overlay", "native", "btrfs"]
)
def test_snapshots_do_not_inherit_the_default_access_control_list_of_the_data_root(
    tmp_path: Path, open_snapshotter: Callable[[Path], contextlib.AbstractContextManager[LocalSnapshotter]]
) -> None:
    with mounted_btrfs(tmp_path):
        with open_snapshotter(tmp_path) as snapshotter:
            root = snapshotter._backend.root
        for directory in (root, f"{root}/snapshots"):
            os.setxattr(directory, "system.posix_acl_default", acl(7, 8))
        with open_snapshotter(tmp_path) as snapshotter:
            found = root_of(snapshotter.prepare("a"))
    assert (found.mode, found.xattrs) == (0o755, {})


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_overlay(tmp_path) as snapshotter:
        yield snapshotter


def fs(tmp_path: Path, number: int) -> Path:
    return tmp_path / f"overlay/snapshots/{number}/fs"


def test_attributes_of_overlayfs_are_not_copied(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    """The copy of an opaque attribute would hide the parent."""

    def write(root: Path) -> None:
        (root / "file").touch()
        os.setxattr(root, "trusted.overlay.opaque", b"y")
        os.setxattr(root, "trusted.overlay.overlay.inner", b"of an overlay in the container")

    layer(overlay, "base", write=write)
    with temporary_mount(overlay.prepare("a", "base")) as root:
        assert os.listdir(root) == ["file"]
    names = os.listxattr(fs(tmp_path, 2))
    assert "trusted.overlay.opaque" not in names
    assert "trusted.overlay.overlay.inner" in names


def test_a_root_lost_in_a_crash_is_recreated_from_its_parents(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    layer(overlay, "base", write=write_root)
    expected = root_of(overlay.prepare("a", "base"))
    overlay._store.remember_boot("an earlier boot")
    subprocess.run(["rm", "-r", fs(tmp_path, 2).parent], check=True)
    overlay._tidying().restore()
    assert root_of(overlay.mounts("a")) == expected
    assert (expected.mode, expected.uid, expected.mtime) == (0o1770, 5, 1_600_000_000_123_456_789)


@pytest.fixture
def remapping(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_overlay(tmp_path, remap_ids=True) as snapshotter:
        yield snapshotter


def test_access_control_lists_of_a_remapped_snapshot_name_the_containers_users(
    remapping: LocalSnapshotter, tmp_path: Path
) -> None:
    """As in a view, and the container's root is the owner."""
    layer(remapping, "base", write=write_root)
    found = root_of(remapping.prepare("a", "base", LABELS), tmp_path)
    shown = root_of(remapping.view("v", "base", LABELS), tmp_path)
    assert (shown.uid, shown.gid) == (1005, 2006)
    assert found == attrs.evolve(shown, uid=1000, gid=2000)
    assert found.xattrs["system.posix_acl_access"] == acl(1007, 2008)


def test_entries_of_unmapped_users_are_dropped(remapping: LocalSnapshotter, tmp_path: Path) -> None:
    layer(remapping, "base", write=lambda root: os.setxattr(root, "system.posix_acl_access", acl(77, 8)))
    found = root_of(remapping.prepare("a", "base", LABELS), tmp_path)
    value = acl(77, 2008)
    assert found.xattrs["system.posix_acl_access"] == value[:12] + value[20:]


def test_a_rebased_remapped_layer_takes_its_parents_root(remapping: LocalSnapshotter, tmp_path: Path) -> None:
    """On disk it has the container's ids, like its parent."""
    layer(remapping, "base", write=write_root)
    remapping.prepare("a", labels=LABELS)
    remapping.commit("c", "a", parent="base")
    shown = (root_of(remapping.view(f"view of {name}", name)) for name in ("base", "c"))
    base, rebased = (attrs.evolve(entry, mtime=0) for entry in shown)
    assert rebased == base


@pytest.mark.parametrize("own", ["mode", "owner", "group", "list", "attribute"])
def test_a_rebased_layer_keeps_its_own_metadata_and_copies_the_rest(
    overlay: LocalSnapshotter, tmp_path: Path, own: str
) -> None:
    layer(overlay, "base", write=write_root)
    with temporary_mount(overlay.prepare("a")) as path:
        root = Path(path)
        match own:
            case "mode":
                root.chmod(0o700)
            case "owner":
                os.chown(root, 55, -1)
            case "group":
                os.chown(root, -1, 66)
            case "list":
                os.setxattr(root, "system.posix_acl_access", acl(77, 88))
            case "attribute":
                os.setxattr(root, "user.x", b"own")
        made = read_tree(root)["."]
    overlay.commit("c", "a", parent="base")
    base, found = root_of(overlay.view("v1", "base")), root_of(overlay.view("v2", "c"))
    expected = attrs.evolve(base, mtime=found.mtime)
    match own:
        case "mode":
            xattrs = {name: value for name, value in base.xattrs.items() if "acl" not in name}
            expected = attrs.evolve(expected, mode=0o700, xattrs=xattrs)
        case "owner":
            expected = attrs.evolve(expected, uid=55)
        case "group":
            expected = attrs.evolve(expected, gid=66)
        case "list":
            expected = attrs.evolve(expected, mode=made.mode, xattrs={**base.xattrs, **made.xattrs})
        case "attribute":
            expected = attrs.evolve(expected, xattrs={**base.xattrs, "user.x": b"own"})
    assert found == expected


def test_a_commit_that_names_the_current_parent_does_not_change_the_root(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    """Only a layer without a parent is rebased: here mode 0755 was set on purpose."""
    layer(overlay, "base", write=write_root)
    with temporary_mount(overlay.prepare("a", "base")) as root:
        os.removexattr(root, "system.posix_acl_access")
        os.chmod(root, 0o755)
        os.chown(root, 0, 0)
    overlay.commit("c", "a", parent="base")
    found = root_of(overlay.view("v", "c"))
    assert (found.mode, found.uid, found.gid) == (0o755, 0, 0)


def test_a_layer_is_rebased_before_it_is_synced(
    overlay: LocalSnapshotter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power failure could undo the rebase."""
    layer(overlay, "base")
    overlay.prepare("a")
    order: list[str] = []
    monkeypatch.setattr(overlay._backend, "rebase", lambda _: order.append("rebase"))
    monkeypatch.setattr(overlay._root, "sync", lambda: order.append("sync"))
    overlay.commit("c", "a", parent="base")
    assert order == ["rebase", "sync"]
