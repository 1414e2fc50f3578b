"""Diagnose what prevents subvolumes from being created and mounted."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.diagnosis import AS_ROOT, data_root, file_system, may_mount, mount_remedy, nearest_existing
from lamina.errdefs import Error
from lamina.mount import lookup
from lamina.plugin import Finding
from lamina.plugins.snapshots._probe_directory import refusal, remove_stale_probes
from lamina.plugins.snapshots.btrfs._probe import try_btrfs


def diagnose(root: str, host_pid: int | None, *, configured: bool) -> Iterator[Finding]:
    """Check the requirements of the snapshotter. A subvolume is created, mounted and deleted beside the snapshots.

    Args:
        root: The data root; it need not exist.
        host_pid: The process of the running host, if any.
        configured: Whether `root_path` is set. If not, a file system other than btrfs is not a problem: the
            snapshotter is skipped.
    """
    check = "file system"
    place = nearest_existing(root)
    mount = lookup(place)
    if mount.type != "btrfs" and not configured:
        found = f"{place} is on {mount.type}: skipped. To use it, set root_path to a directory on btrfs"
        yield Finding.ok(check, found)
        return
    yield file_system("btrfs")
    if mount.type != "btrfs":
        yield Finding.problem(
            check,
            f"root_path {root}: {place} is on {mount.type}, not on btrfs",
            "mount a btrfs there, or set root_path to a directory on one: findmnt -t btrfs",
        )
        return
    yield from data_root(root, host_pid)
    if not may_mount():
        yield Finding.unknown("subvolumes", "this process may not mount", AS_ROOT)
        return
    if reason := refusal(place):
        remedy = "see data root; on a full disk, make space"
        yield Finding.unknown("subvolumes", f"{place} cannot be written to: {reason}", remedy)
        return
    if place == root:
        remove_stale_probes(root)
    try:
        try_btrfs(place, mount.source)
    except Error as error:
        yield Finding.problem("subvolumes", f"{place}: {error}", mount_remedy(str(error)))
    else:
        yield Finding.ok("subvolumes", f"one was created in {place}, mounted and deleted")
