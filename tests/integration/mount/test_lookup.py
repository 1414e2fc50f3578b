"""The mount that contains a path, if mounts cover each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.mount import Mount, lookup, mount_all, unmount_recursive

pytestmark = pytest.mark.requires("root")


def tmpfs(source: str) -> Mount:
    return Mount("tmpfs", source)


def test_the_topmost_of_stacked_mounts_is_found(tmp_path: Path) -> None:
    mount_all([tmpfs("first"), tmpfs("second")], tmp_path)
    assert lookup(tmp_path).source == "second"
    unmount_recursive(tmp_path)


def test_a_covered_mount_point_is_ignored(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (target / "sub").mkdir(parents=True)
    mount_all([tmpfs("below")], target / "sub")
    mount_all([tmpfs("cover")], target)
    (target / "sub" / "deeper").mkdir(parents=True)
    assert lookup(target / "sub" / "deeper").source == "cover"
    unmount_recursive(target)
    unmount_recursive(target)
