"""Protect mounted snapshots."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Final

from lamina.errdefs import FailedPrecondition
from lamina.mount import Mount
from lamina.mount.in_use import MountPlace, find_mounts, made_of
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.snapshots.labels import MOUNT_POINT

_SHOWN: Final = 256
"""Maximum number of characters of a key in a message."""


def check_unused(snapshotter: Snapshotter, key: str, *, otherwise: str = "") -> None:
    """Check that a snapshot is not mounted, as far as the mounts of all processes are readable.

    A committed snapshot passes: its children protect it. So does a view whose mounts are identical to another
    view's.

    Args:
        snapshotter: Has the snapshot.
        key: Its key.
        otherwise: The alternative to unmounting it, for the message.

    Raises:
        NotFound: The snapshot does not exist.
        FailedPrecondition: It is mounted; the message says where, by which process, and what to do.
    """
    info = snapshotter.stat(key)
    if info.kind is Kind.COMMITTED:
        return
    mounts = snapshotter.mounts(key)
    places = find_mounts(made_of(mounts)).places
    if places and not _is_shown_by_others(snapshotter, info, mounts):
        raise FailedPrecondition(_in_use(info, places, otherwise))


def _in_use(info: Info, places: Sequence[MountPlace], otherwise: str) -> str:
    key, of_image = info.name, info.labels.get(MOUNT_POINT)
    first = next((place for place in places if place.mount_point == of_image), places[0])
    shown = key if len(key) <= _SHOWN else f"{key[:_SHOWN]}…"
    others = len(places) - 1
    more = f", and in {others} more place{'s' if others > 1 else ''}" if others else ""
    otherwise = f", {otherwise}" if otherwise else ""
    if first.is_root:
        process = f"process {first.pid} ({first.command})"
        return f"snapshot {shown!r} is the root directory of {process}{more}: stop it first{otherwise}"
    unmount, seen = f"umount {shlex.quote(first.mount_point)}", ""
    if _is_here(first.pid):
        if first.mount_point == of_image:
            unmount = f"lamina images unmount {shlex.quote(first.mount_point)}"
    else:
        unmount = f"nsenter --target {first.pid} --mount {unmount}"
        seen = f", as seen by process {first.pid} ({first.command})"
    where = f"{first.mount_point}{seen}{more}"
    return f"snapshot {shown!r} is mounted on {where}: unmount it first ({unmount}){otherwise}"


def _is_here(pid: int) -> bool:
    """Return whether a process shares this process's mount namespace."""
    try:
        return os.path.samefile(f"/proc/{pid}/ns/mnt", "/proc/self/ns/mnt")
    except OSError:  # it has exited
        return False


def _is_shown_by_others(snapshotter: Snapshotter, info: Info, mounts: Sequence[Mount]) -> bool:
    """Return whether another view has the same mounts and may be the one that is mounted."""
    if info.kind is not Kind.VIEW or not info.parent:
        return False
    views = (other.name for other in snapshotter.walk("kind==view") if other.parent == info.parent)
    return any(snapshotter.mounts(name) == mounts for name in views if name != info.name)
