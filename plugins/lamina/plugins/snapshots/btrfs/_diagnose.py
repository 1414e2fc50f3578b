"""What keeps subvolumes from being made and mounted."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.diagnosis import AS_ROOT, data_root, file_system, may_mount, mount_remedy, nearest_existing
from lamina.errdefs import Error
from lamina.mount import lookup
from lamina.plugin import Finding
from lamina.plugins.snapshots._trial import remove_left_trials
from lamina.plugins.snapshots.btrfs._probe import attempt


def diagnose(root: str, host_pid: int | None, *, configured: bool) -> Iterator[Finding]:
    """Look at all that the snapshotter needs. A subvolume is made, mounted and deleted beside the snapshots.

    Args:
        root: Where the subvolumes are or will be.
        host_pid: The process of the host that runs; None where none does.
        configured: Whether somebody wants them there. Else the snapshotter is skipped where it cannot work, and
            that is no problem.
    """
    check = "file system"
    place = nearest_existing(root)
    mount = lookup(place)
    if mount.type != "btrfs" and not configured:
        found = f"{place} is on {mount.type}: skipped. It works with root_path set to a directory on btrfs"
        yield Finding.ok(check, found)
        return
    yield file_system("btrfs")
    if mount.type != "btrfs":
        yield Finding.problem(
            check,
            f"root_path {root}: {place} is on {mount.type}, no btrfs",
            "mount a btrfs there, or have root_path name a directory on one: findmnt -t btrfs",
        )
        return
    yield from data_root(root, host_pid)
    if not may_mount():
        yield Finding.unknown("subvolumes", "this process may not mount", AS_ROOT)
        return
    if place == root:
        remove_left_trials(root)
    try:
        attempt(place, mount.source)
    except (Error, OSError) as error:
        yield Finding.problem("subvolumes", f"{place}: {error}", mount_remedy(str(error)))
    else:
        yield Finding.ok("subvolumes", f"one was made in {place}, mounted and deleted")
