"""A crash leaves the directory of a snapshot with only part of its content, as on btrfs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lamina.mount import temporary_mount
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.mark.parametrize("lost", [("work",), ("fs",), ("fs", "work")], ids=" and ".join)
def test_lost_parts_of_an_active_snapshot_are_recreated_and_writes_kept(
    tmp_path: Path, lost: tuple[str, ...]
) -> None:
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("base")
        overlay.commit("c", "base")
        with temporary_mount(overlay.prepare("a", "c")) as root:
            (Path(root) / "f").write_text("written")
        directory = Path(overlay._backend.path(overlay._keyspace.get("a").id))
        for name in lost:
            shutil.rmtree(directory / name)
        overlay._store.remember_boot("the boot before the crash")
    with open_overlay(tmp_path) as overlay, temporary_mount(overlay.mounts("a")) as root:
        assert [path.read_text() for path in Path(root).iterdir()] == (["written"] if lost == ("work",) else [])
        (Path(root) / "g").touch()
