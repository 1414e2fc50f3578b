"""Commits and removals of mounted snapshots are logged."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from lamina.mount import Mount, MountInfo, mountinfo, temporary_mount
from lamina.snapshots.local import LocalSnapshotter, _mounted
from tests.support.snapshotters.btrfs import mounted_btrfs, open_btrfs
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.overlay import open_overlay
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

Open = Callable[[Path], contextlib.AbstractContextManager[LocalSnapshotter]]

SECONDS = 120


class Warned:
    """The warnings about mounted snapshots."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        self._caplog = caplog

    def found(self) -> list[tuple[str, str, str]]:
        """Return operation, key and mount point of each warning."""
        return [
            (record.getMessage().split()[0], record.__dict__["key"], record.__dict__["mount_point"])
            for record in self._caplog.records
            if record.name.endswith("._mounted")
        ]

    def wait_for(self, *expected: tuple[str, str, str]) -> None:
        wait_until(lambda: self.found() == list(expected), SECONDS, f"{expected}, but {self.found()}")


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Warned:
    return Warned(caplog)


def settle(snapshotter: LocalSnapshotter, warned: Warned, directory: Path) -> None:
    """Wait until all earlier calls have been checked, which happens in their order."""
    before = warned.found()
    with temporary_mount(snapshotter.prepare("last"), directory=directory) as root:
        snapshotter.remove("last")
        warned.wait_for(*before, ("removed", "last", root))


@pytest.mark.parametrize("open_snapshotter", [open_overlay, open_native], ids=["overlay", "native"])
def test_a_commit_of_a_mounted_snapshot_is_logged(tmp_path: Path, warned: Warned, open_snapshotter: Open) -> None:
    with open_snapshotter(tmp_path) as snapshotter:
        for name, parent in (("base", ""), ("top", "base")):
            with temporary_mount(snapshotter.prepare("work", parent)) as root:
                snapshotter.commit(name, "work")
                warned.wait_for(*warned.found()[: len(parent) and 1], ("committed", name, root))


@pytest.mark.parametrize("open_snapshotter", [open_overlay, open_native], ids=["overlay", "native"])
def test_views_and_children_mounted_after_the_commit_are_not_logged(
    tmp_path: Path, warned: Warned, open_snapshotter: Open
) -> None:
    """However late the check runs: they cannot change the committed layer."""
    with open_snapshotter(tmp_path) as snapshotter, contextlib.ExitStack() as mounted:
        snapshotter._mounted._closed.set()  # the thread is not started
        for name, parent in (("base", ""), ("top", "base")):
            snapshotter.prepare("work", parent)
            snapshotter.commit(name, "work")
            mounted.enter_context(temporary_mount(snapshotter.view(f"view of {name}", name)))
            mounted.enter_context(temporary_mount(snapshotter.prepare(f"on {name}", name)))
        snapshotter._mounted._closed.clear()
        settle(snapshotter, warned, tmp_path)
        assert [key for _, key, _ in warned.found()] == ["last"]


def test_commits_on_btrfs_are_not_logged_because_mounts_cannot_change_them(tmp_path: Path, warned: Warned) -> None:
    with mounted_btrfs(tmp_path), open_btrfs(tmp_path) as btrfs:
        with temporary_mount(btrfs.prepare("work")):
            btrfs.commit("base", "work")
        settle(btrfs, warned, tmp_path)
        assert [done for done, _, _ in warned.found()] == ["removed"]


@pytest.mark.parametrize("sync_remove", [True, False])
@pytest.mark.parametrize("open_snapshotter", [open_overlay, open_native, open_btrfs])
@pytest.mark.requires("btrfs")
def test_a_removal_of_a_mounted_snapshot_is_logged(
    tmp_path: Path,
    warned: Warned,
    open_snapshotter: Callable[..., contextlib.AbstractContextManager[LocalSnapshotter]],
    sync_remove: bool,
) -> None:
    with mounted_btrfs(tmp_path), open_snapshotter(tmp_path, sync_remove=sync_remove) as snapshotter:
        snapshotter.prepare("making")
        snapshotter.commit("base", "making")
        expected = []
        for parent in ("", "base"):
            with temporary_mount(snapshotter.prepare("work", parent)) as root:
                snapshotter.remove("work")
                expected.append(("removed", "work", root))
                warned.wait_for(*expected)


def test_a_removal_of_the_parent_of_a_removed_but_mounted_view_is_logged(tmp_path: Path, warned: Warned) -> None:
    """The removed view no longer protects its parent."""
    with open_overlay(tmp_path) as overlay:
        for number in range(3):
            overlay.prepare("making", f"c{number - 1}" if number else "")
            overlay.commit(f"c{number}", "making")
        with temporary_mount(overlay.view("look", "c2")) as root:
            overlay.remove("look")
            for name in ("c2", "c1"):
                overlay.remove(name)
            warned.wait_for(("removed", "c2", root), ("removed", "c1", root))


def test_snapshots_that_are_not_mounted_here_are_not_logged(tmp_path: Path, warned: Warned) -> None:
    """Mounts in another namespace, or of another data root with the same ids, do not count."""
    other = tmp_path / "other"
    other.mkdir()
    with open_overlay(tmp_path) as overlay, open_overlay(other) as same:
        for snapshotter in (overlay, same):
            snapshotter.prepare("making")
            snapshotter.commit("base", "making")
        (mount,) = overlay.prepare("work", "base")
        options = ",".join(mount.options)
        script = (
            f"mount -t overlay -o {options} overlay {other}; exec $0 -c 'import sys; print(flush=True); input()'"
        )
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, sys.executable]
        with (
            temporary_mount(same.prepare("work", "base")),
            subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container,
        ):
            assert container.stdout
            container.stdout.readline()
            overlay.commit("top", "work")
            overlay.remove("top")
            settle(overlay, warned, other)
            container.communicate(b"\n")
        assert len(warned.found()) == 1


def test_a_data_root_behind_a_link_is_recognised(tmp_path: Path, warned: Warned) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with open_overlay(tmp_path / "link") as overlay, temporary_mount(overlay.prepare("work")) as root:
        overlay.commit("base", "work")
        warned.wait_for(("committed", "base", root))


def test_a_look_that_waited_for_a_processor_does_not_delay_the_next_one(
    tmp_path: Path, warned: Warned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause is for the time that a look takes of a processor, however busy the machine is."""
    pauses: list[float | None] = []

    class Closed(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout)
            return self.is_set()

    def look_late(*, mentioning: Iterable[str]) -> list[MountInfo]:
        began = time.monotonic()
        wait_until(lambda: time.monotonic() > began + 0.2, SECONDS, "time has passed")
        return mountinfo(mentioning=list(mentioning))

    monkeypatch.setattr(_mounted, "mountinfo", look_late)
    with open_overlay(tmp_path) as overlay, temporary_mount(overlay.prepare("work")) as root:
        overlay._mounted._closed = Closed()
        overlay.remove("work")
        warned.wait_for(("removed", "work", root))
        wait_until(lambda: len(pauses) == 2, SECONDS, "it pauses")
    before, after = pauses[:2]
    assert before == _mounted.DELAY
    assert after is not None
    assert after < _mounted._REST * 0.2


def test_close_does_not_wait_for_checks(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        for number in range(20):
            overlay.prepare("work")
            overlay.commit(f"c{number}", "work")
    assert overlay._mounted._thread is not None
    overlay._mounted._thread.join(SECONDS)
    assert not overlay._mounted._thread.is_alive()
    overlay.close()


def test_lines_that_contain_a_text_are_found(tmp_path: Path) -> None:
    with temporary_mount([Mount("tmpfs", "tmpfs")], directory=tmp_path) as root:
        assert [info.mount_point for info in mountinfo(mentioning=[os.path.basename(root), "not there"])] == [root]
        assert mountinfo(mentioning=["not there"]) == mountinfo(mentioning=[]) == []
