"""The probe of the btrfs snapshotter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.errdefs import ReadOnly, SkipPlugin
from lamina.mount import lookup
from lamina.plugins.snapshots.btrfs import probe
from tests.support.snapshotters.btrfs import mounted_btrfs, run, subvolumes

IN_A_USER_NAMESPACE = """
import sys
from lamina.plugins.snapshots.btrfs import probe
probe(sys.argv[1])
"""


def test_on_another_file_system_it_is_skipped_and_names_that(tmp_path: Path) -> None:
    with pytest.raises(SkipPlugin, match=f"{tmp_path} is on {lookup(tmp_path).type}: set root_path"):
        probe(str(tmp_path))


@pytest.mark.requires("root", "btrfs")
def test_on_btrfs_it_finds_the_device_and_leaves_nothing(tmp_path: Path) -> None:
    with mounted_btrfs(tmp_path) as mountpoint:
        assert probe(str(mountpoint)) == lookup(mountpoint).source
        assert os.listdir(mountpoint) == []
        assert subvolumes(mountpoint) == set()


@pytest.mark.requires("root", "btrfs")
def test_on_a_read_only_btrfs_it_fails_and_can_be_retried(tmp_path: Path) -> None:
    with mounted_btrfs(tmp_path) as mountpoint:
        run("mount", "-o", "remount,ro", mountpoint)
        with pytest.raises(ReadOnly, match="Read-only file system"):
            probe(str(mountpoint))


@pytest.mark.requires("root", "btrfs")
def test_in_a_user_namespace_it_is_skipped_and_leaves_nothing(tmp_path: Path) -> None:
    """Searching btrfs trees requires root in the initial user namespace."""
    with mounted_btrfs(tmp_path) as mountpoint:
        command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", IN_A_USER_NAMESPACE]
        done = subprocess.run([*command, mountpoint], capture_output=True, text=True, check=False)
        assert "SkipPlugin: btrfs subvolumes cannot be created and mounted" in done.stderr
        assert subvolumes(mountpoint) == set()
