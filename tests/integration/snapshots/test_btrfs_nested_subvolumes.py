"""Subvolumes nested in a btrfs snapshot: a commit never loses them, and a removal deletes them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lamina.errdefs import FailedPrecondition
from lamina.mount import temporary_mount
from lamina.plugins.snapshots.btrfs import _ioctl
from lamina.snapshots import Kind
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.btrfs import content, is_empty, run, subvolumes

pytestmark = pytest.mark.requires("root", "btrfs")


def make_subvolume(path: Path, user: int = 0) -> None:
    subprocess.run(["/usr/bin/btrfs", "subvolume", "create", path], user=user, check=True, capture_output=True)


def test_a_commit_that_would_lose_nested_subvolumes_is_refused(btrfs: LocalSnapshotter, mountpoint: Path) -> None:
    """Of any user, read-only or nested in others. Without them, it succeeds."""
    with temporary_mount(btrfs.prepare("a")) as path:
        root = Path(path)
        (root / "f").write_text("kept")
        (root / "var/lib").mkdir(parents=True)
        (root / "home").mkdir()
        os.chown(root / "home", 1000, 1000)
        inside = [root / "top", root / "var/lib/deep", root / "var/lib/deep/d/inner", root / "home/a user's"]
        for subvolume in inside:
            subvolume.parent.mkdir(exist_ok=True)
            make_subvolume(subvolume, user=1000 if subvolume.parent.name == "home" else 0)
        run("btrfs", "property", "set", root / "top", "ro", "true")
        before = subvolumes(mountpoint)
        with pytest.raises(FailedPrecondition) as refused:
            btrfs.commit("c", "a")
        for subvolume in inside:
            assert str(subvolume.relative_to(root)) in str(refused.value)
        assert "commit snapshot 'a': " in str(refused.value)
        assert subvolumes(mountpoint) == before
        assert btrfs.stat("a").kind is Kind.ACTIVE
        for subvolume in reversed(inside):
            run("btrfs", "property", "set", subvolume, "ro", "false")
            run("btrfs", "subvolume", "delete", subvolume)
        (root / "g").write_text("written later")
        for directory in ("var/lib", "var", "home"):
            (root / directory).rmdir()
    btrfs.commit("c", "a")
    assert content(btrfs, "c") == {"f": "kept", "g": "written later"}
    assert subvolumes(mountpoint) == {"root/snapshots/1/committed"}


def test_only_some_of_many_nested_subvolumes_are_named(btrfs: LocalSnapshotter) -> None:
    with temporary_mount(btrfs.prepare("a")) as path:
        for number in range(12):
            make_subvolume(Path(path) / f"s{number}")
        with pytest.raises(FailedPrecondition, match=r"lost: 's0', .*, 's9' and others\. Replace each"):
            btrfs.commit("c", "a")


def test_a_subvolume_created_during_the_commit_is_not_lost(
    btrfs: LocalSnapshotter, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with temporary_mount(btrfs.prepare("a")) as path:
        create = _ioctl.create_snapshot

        def late(*words: Any, **options: Any) -> None:
            make_subvolume(Path(path) / "late")
            create(*words, **options)

        monkeypatch.setattr(_ioctl, "create_snapshot", late)
        with pytest.raises(FailedPrecondition, match=r"lost: 'late'\."):
            btrfs.commit("c", "a")
        monkeypatch.undo()
    assert subvolumes(mountpoint) == {"root/snapshots/1/active", "root/snapshots/1/active/late"}


def test_the_remedy_for_nested_subvolumes_keeps_their_content(btrfs: LocalSnapshotter) -> None:
    with temporary_mount(btrfs.prepare("a")) as path:
        make_subvolume(Path(path) / "s")
        (Path(path) / "s/f").write_text("kept")
        with pytest.raises(FailedPrecondition) as refused:
            btrfs.commit("c", "a")
        remedy = str(refused.value).partition("innermost first (")[2].partition(")")[0]
        subprocess.run(
            ["sh", "-ec", f"P=s; {remedy.replace('P', '$P')}"], cwd=path, check=True, capture_output=True
        )
    btrfs.commit("c", "a")
    with temporary_mount(btrfs.view("v", "c")) as root:
        assert (Path(root) / "s/f").read_text() == "kept"


def test_a_removal_deletes_nested_subvolumes_even_if_read_only(btrfs: LocalSnapshotter, mountpoint: Path) -> None:
    with temporary_mount(btrfs.prepare("a")) as root:
        outer = Path(root) / "d" / "outer"
        outer.parent.mkdir()
        for path in (outer, outer / "one", outer / "two", outer / "two" / "deep"):
            run("btrfs", "subvolume", "create", path)
            (path / "f").touch()
        for path in (outer / "two", outer):
            run("btrfs", "property", "set", path, "ro", "true")
    btrfs.remove("a")
    assert is_empty(btrfs, mountpoint)
