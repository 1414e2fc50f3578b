"""Checks of disk usage."""

from __future__ import annotations

import os
from pathlib import Path

from lamina.fs import opened, syncfs
from lamina.testing._checks.subject import Checks, Subject, mounted

SIZE = 200_000


def fill(root: Path) -> None:
    """Write a file of `SIZE` incompressible bytes."""
    (root / "filled").write_bytes(os.urandom(SIZE))


class UsageChecks(Checks):
    """Disk usage of snapshots."""

    def test_usage_of_an_active_snapshot_is_measured(self, subject: Subject) -> None:
        """It grows with writes."""
        mounts = subject.snapshotter.prepare("a")
        before = subject.snapshotter.usage("a")
        with mounted(mounts) as root:
            fill(root)
            with opened(root, os.O_RDONLY | os.O_DIRECTORY) as directory:
                syncfs(directory)  # file systems with delayed allocation allocate blocks only on write-back
        after = subject.snapshotter.usage("a")
        assert after.size >= before.size + SIZE
        assert after.inodes >= before.inodes

    def test_usage_of_a_committed_snapshot_counts_its_layer(self, subject: Subject) -> None:
        """It is measured at the commit, and children do not change it."""
        subject.layer("c", fill)
        usage = subject.snapshotter.usage("c")
        assert usage.size >= SIZE
        subject.layer("child", fill, parent="c")
        assert subject.snapshotter.usage("c") == usage

    def test_a_view_takes_up_next_to_nothing(self, subject: Subject) -> None:
        """The content of its parent does not count."""
        subject.layer("c", fill)
        subject.snapshotter.view("v", "c")
        assert subject.snapshotter.usage("v").size < SIZE
