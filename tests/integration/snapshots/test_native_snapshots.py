"""The mounts, directories and usage of the native snapshotter."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import AlreadyExists, Canceled, DataLoss, NotFound, Unimplemented
from lamina.mount import Mount, temporary_mount
from lamina.snapshots import Usage
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import Record
from lamina.testing import differences, read_tree
from tests.support.snapshotters.native import open_native
from tests.support.trees import Steps
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root")

SECONDS = 60


@pytest.fixture
def native(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_native(tmp_path) as snapshotter:
        yield snapshotter


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def snapshots(tmp_path: Path) -> list[str]:
    return sorted(os.listdir(tmp_path / "native/snapshots"))


def directory(tmp_path: Path, id_: int) -> Path:
    return tmp_path / f"native/snapshots/{id_}"


def layer(native: LocalSnapshotter, name: str, parent: str, change: Callable[[Path], object]) -> None:
    """Commit a layer that differs from its parent by what `change` does to the mounted tree."""
    with temporary_mount(native.prepare(f"making {name}", parent)) as root:
        change(Path(root))
    native.commit(name, f"making {name}")


def test_an_active_snapshot_is_a_writable_bind_mount_of_its_own_directory(
    native: LocalSnapshotter, tmp_path: Path
) -> None:
    mounts = [Mount("bind", str(directory(tmp_path, 1)), ("rbind", "rw"))]
    assert native.prepare("a") == native.mounts("a") == mounts
    native.commit("c", "a")
    assert native.prepare("b", "c") == [Mount("bind", str(directory(tmp_path, 2)), ("rbind", "rw"))]
    assert snapshots(tmp_path) == ["1", "2"]


def test_a_view_without_parent_is_a_read_only_bind_mount_of_its_own_directory(
    native: LocalSnapshotter, tmp_path: Path
) -> None:
    assert native.view("v") == [Mount("bind", str(directory(tmp_path, 1)), ("rbind", "ro"))]


def test_a_view_of_a_parent_has_no_directory_and_shows_the_parents(
    native: LocalSnapshotter, tmp_path: Path
) -> None:
    layer(native, "c", "", lambda root: (root / "f").write_text("x"))
    mounts = [Mount("bind", str(directory(tmp_path, 1)), ("rbind", "ro"))]
    assert native.view("v", "c") == native.mounts("v") == mounts
    assert snapshots(tmp_path) == ["1"]
    with temporary_mount(mounts) as root:
        assert (Path(root) / "f").read_text() == "x"
    native.remove("v")
    assert snapshots(tmp_path) == ["1"]


def test_a_view_cannot_be_written_to(native: LocalSnapshotter) -> None:
    layer(native, "c", "", lambda _: None)
    for mounts in (native.view("v"), native.view("w", "c")):
        with temporary_mount(mounts) as root, pytest.raises(OSError, match="Read-only file system"):
            (Path(root) / "x").touch()


@pytest.mark.usefixtures("umask")
def test_an_empty_snapshot_has_mode_0755_whatever_the_umask(native: LocalSnapshotter, tmp_path: Path) -> None:
    native.prepare("a")
    native.view("v")
    for id_ in (1, 2):
        assert stat.S_IMODE(directory(tmp_path, id_).stat().st_mode) == 0o755


def test_the_root_of_a_copy_has_the_metadata_of_the_parents(native: LocalSnapshotter, tmp_path: Path) -> None:
    def change(root: Path) -> None:
        (root / "f").touch()
        os.setxattr(root, "user.x", b"y")
        os.chown(root, 1234, 2345)
        root.chmod(0o3711)
        os.utime(root, ns=(10**18 + 1, 10**18 + 2))

    layer(native, "c", "", change)
    native.prepare("a", "c")
    status, attribute = directory(tmp_path, 2).stat(), os.getxattr(directory(tmp_path, 2), "user.x")
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 2345, 0o3711)
    assert (status.st_mtime_ns, attribute) == (10**18 + 2, b"y")


def test_a_copy_equals_its_parent_and_is_independent(native: LocalSnapshotter, tmp_path: Path) -> None:
    def make(root: Path) -> None:
        (root / "d").mkdir()
        (root / "d/f").write_text("old")
        os.link(root / "d/f", root / "again")
        os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.utime(root / "d", ns=(10**18, 10**18 + 3))

    layer(native, "c", "", make)
    before = read_tree(directory(tmp_path, 1))
    with temporary_mount(native.prepare("a", "c")) as root:
        assert differences(read_tree(root), before) == []
        (Path(root) / "d/f").write_text("new")
        (Path(root) / "null").unlink()
        Path(root).chmod(0o700)
    assert differences(read_tree(directory(tmp_path, 1)), before) == []
    assert stat.S_IMODE(directory(tmp_path, 1).stat().st_mode) == 0o755


def test_usage_is_that_of_the_whole_directory(native: LocalSnapshotter) -> None:
    layer(native, "c", "", lambda root: (root / "f").write_bytes(b"x" * 100_000))
    committed = native.usage("c")
    assert committed.inodes == 2
    assert committed.size >= 100_000
    with temporary_mount(native.prepare("a", "c")) as root:
        assert native.usage("a") == committed
        (Path(root) / "g").write_bytes(b"x" * 100_000)
        active = native.usage("a")
    assert active.inodes == 3
    assert active.size >= 200_000
    native.commit("d", "a")
    assert native.usage("d") == active


def test_views_use_no_space(native: LocalSnapshotter) -> None:
    layer(native, "c", "", lambda root: (root / "f").write_bytes(b"x"))
    native.view("v")
    native.view("w", "c")
    assert native.usage("v") == native.usage("w") == Usage(0, 0)


def test_a_commit_cannot_set_a_parent(native: LocalSnapshotter) -> None:
    """The directory lacks the parent's content."""
    layer(native, "c", "", lambda _: None)
    native.prepare("a")
    with pytest.raises(Unimplemented):
        native.commit("d", "a", parent="c")


def test_a_failed_prepare_leaves_no_directory(native: LocalSnapshotter, tmp_path: Path) -> None:
    layer(native, "c", "", lambda root: (root / "f").touch())
    native.prepare("a", "c")
    with pytest.raises(AlreadyExists):
        native.prepare("a", "c")
    with pytest.raises(NotFound):
        native.prepare("b", "no such parent")
    assert snapshots(tmp_path) == ["1", "2"]


def test_a_cancelled_prepare_ends_within_a_file_and_leaves_no_directory(
    native: LocalSnapshotter, tmp_path: Path
) -> None:
    layer(native, "c", "", lambda root: (root / "large").write_bytes(b"x" * (64 << 20)))

    def cancel(_: int) -> None:
        found = list((tmp_path / "native/snapshots").glob("*/large"))
        if len(found) == 2 and all(path.stat().st_blocks for path in found):
            context.cancel()

    context = Steps(cancel)
    with use(context), pytest.raises(Canceled):
        native.prepare("a", "c")
    assert snapshots(tmp_path) == ["1"]
    with pytest.raises(NotFound):
        native.stat("a")
    native.prepare("a", "c")


def test_a_prepare_cancelled_during_its_sync_ends_at_once_and_leaves_no_directory(
    native: LocalSnapshotter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer(native, "c", "", lambda root: (root / "f").write_text("x"))
    context, goes_on = CallContext(), threading.Event()

    def syncfs(_: int) -> None:
        context.cancel()
        assert goes_on.wait(SECONDS)

    monkeypatch.setattr(native._root._sync, "_syncfs", syncfs)
    try:
        with use(context), pytest.raises(Canceled):
            native.prepare("a", "c")
        assert snapshots(tmp_path) == ["1"]
    finally:
        goes_on.set()
    native.prepare("a", "c")


def test_a_copy_concurrent_with_a_failed_sync_of_another_call_fails(
    native: LocalSnapshotter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own sync succeeds, because the kernel has already reported the error."""
    layer(native, "c", "", lambda root: (root / "f").write_text("x"))
    answers = iter([OSError(errno.EIO, os.strerror(errno.EIO)), None])
    create = native._backend.create

    def syncfs(_: int) -> None:
        error = next(answers)
        if error is not None:
            raise error

    def create_meanwhile(record: Record, path: str) -> None:
        create(record, path)
        with pytest.raises(DataLoss):
            native._root.sync()

    with monkeypatch.context() as patch:
        patch.setattr(native._root._sync, "_syncfs", syncfs)
        patch.setattr(native._backend, "create", create_meanwhile)
        with pytest.raises(DataLoss, match="try again"):
            native.prepare("a", "c")
    assert snapshots(tmp_path) == ["1"]
    native.prepare("a", "c")
    native.commit("d", "a")


def test_only_copies_of_files_are_synced(native: LocalSnapshotter, monkeypatch: pytest.MonkeyPatch) -> None:
    layer(native, "empty", "", lambda root: None)
    layer(native, "c", "", lambda root: (root / "f").touch())
    synced: list[int] = []
    monkeypatch.setattr(native._root._sync, "_syncfs", synced.append)
    native.prepare("a")
    native.view("v")
    native.view("w", "c")
    native.prepare("e", "empty")
    assert synced == []
    native.prepare("b", "c")
    assert len(synced) == 1


def test_removed_data_disappears_at_once_and_is_deleted_in_the_background(
    native: LocalSnapshotter, tmp_path: Path
) -> None:
    layer(native, "c", "", lambda root: (root / "f").touch())
    native.remove("c")
    assert snapshots(tmp_path) == []
    wait_until(lambda: not os.listdir(tmp_path / "native/trash"), 60, "the trash is empty")


def test_a_synchronous_removal_deletes_the_data_before_it_returns(tmp_path: Path) -> None:
    with open_native(tmp_path, sync_remove=True) as native:
        native.prepare("a")
        native.remove("a")
        assert os.listdir(tmp_path / "native/trash") == []


def test_lost_directories_are_recreated_after_a_crash_except_for_views_of_a_parent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_native(tmp_path) as native:
        layer(native, "c", "", lambda root: (root / "f").write_text("x"))
        native.prepare("a", "c")
        native.view("v", "c")
        native._store.remember_boot("an earlier boot")
    os.rename(directory(tmp_path, 2), tmp_path / "lost")
    with caplog.at_level(logging.WARNING), open_native(tmp_path) as native:
        with temporary_mount(native.mounts("a")) as root:
            assert (Path(root) / "f").read_text() == "x"
        assert native.mounts("v") == [Mount("bind", str(directory(tmp_path, 1)), ("rbind", "ro"))]
    assert snapshots(tmp_path) == ["1", "2"]
    assert [record.key for record in caplog.records] == ["a"]
