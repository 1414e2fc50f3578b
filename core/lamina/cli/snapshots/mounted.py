"""Keeping off snapshots that are mounted."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lamina.cli.terminal.output import shorten
from lamina.errdefs import FailedPrecondition
from lamina.snapshots import Info, Kind, Snapshotter

if TYPE_CHECKING:
    from lamina.mount import Mount
    from lamina.mount.in_use import MountPlace

force_option = click.option("--force", is_flag=True, help="Do it even if the snapshot is mounted somewhere.")


def check_unused(snapshotter: Snapshotter, key: str) -> None:
    """Check that a snapshot is mounted nowhere, as far as the mounts of all processes can be read.

    A committed snapshot passes: its children protect it. So does a view that cannot be told from another
    one, which is mounted in the same way.

    Raises:
        NotFound: There is no such snapshot.
        FailedPrecondition: It is mounted; the message says where, by which process, and what to do.
    """
    info = snapshotter.stat(key)
    if info.kind is Kind.COMMITTED:
        return
    from lamina.mount.in_use import find_mounts, made_of

    mounts = snapshotter.mounts(key)
    places = find_mounts(made_of(mounts)).places
    if places and not _is_shown_by_others(snapshotter, info, mounts):
        raise FailedPrecondition(in_use(key, places))


def in_use(key: str, places: Sequence[MountPlace]) -> str:
    """Say where a snapshot is mounted, and what to do about it."""
    first = places[0]
    others = len(places) - 1
    more = f", and in {others} more place{'s' if others > 1 else ''}" if others else ""
    unmount = f"umount {shlex.quote(first.mount_point)}"
    if not _is_here(first.pid):
        unmount = f"nsenter --target {first.pid} --mount {unmount}"
    return (
        f'snapshot "{shorten(key, 256)}" is mounted on {first.mount_point}, as process {first.pid} '
        f"({first.command}) sees it{more}: unmount it first ({unmount}), or give --force"
    )


def _is_here(pid: int) -> bool:
    """Whether a process is in this one's mount namespace."""
    try:
        return os.path.samefile(f"/proc/{pid}/ns/mnt", "/proc/self/ns/mnt")
    except OSError:  # it has ended
        return False


def _is_shown_by_others(snapshotter: Snapshotter, info: Info, mounts: Sequence[Mount]) -> bool:
    """Whether another view has the same mounts, as views of one parent may: then it may be that one."""
    if info.kind is not Kind.VIEW or not info.parent:
        return False
    views = (other.name for other in snapshotter.walk("kind==view") if other.parent == info.parent)
    return any(snapshotter.mounts(name) == mounts for name in views if name != info.name)
