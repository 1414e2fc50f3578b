"""Probes that run out of descriptors, which says nothing about the kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.snapshotters.btrfs import mounted_btrfs

PROBES = """
import os, resource, sys

from lamina.errdefs import ResourceExhausted
from lamina.plugins.snapshots import btrfs, overlay

root = sys.argv[1]
outcomes = set()
highest = max(map(int, os.listdir("/proc/self/fd")))
for more in range(1, 40):
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + more, 4096))
    try:
        if sys.argv[2] == "overlay":
            outcomes.add(overlay.probe(root, (), remap_ids=True)[1])
        else:
            outcomes.add(bool(btrfs.probe(root)))
    except (ResourceExhausted, OSError) as error:
        outcomes.add("short" if "Too many open files" in str(error) else repr(error))
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
print(sorted(map(str, outcomes)))
"""


@pytest.mark.requires("root", "overlay")
def test_a_shortage_neither_skips_overlays_nor_changes_owners(tmp_path: Path) -> None:
    root = tmp_path / "overlay"
    root.mkdir(0o700)
    assert run(sys.executable, "-c", PROBES, root, "overlay") == "['True', 'short']\n"


@pytest.mark.requires("root", "btrfs")
def test_a_shortage_does_not_skip_btrfs(tmp_path: Path) -> None:
    with mounted_btrfs(tmp_path) as mountpoint:
        root = mountpoint / "root"
        root.mkdir(0o700)
        assert run(sys.executable, "-c", PROBES, root, "btrfs") == "['True', 'short']\n"
