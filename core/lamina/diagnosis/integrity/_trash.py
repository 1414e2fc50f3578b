"""Check that removed data is deleted."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Container, Iterator
from typing import Final

from lamina.diagnosis.integrity._evidence import Evidence
from lamina.errdefs import InvalidArgument
from lamina.mount import MountInfo, lookup, mountinfo, overlay_directories
from lamina.mount.in_use import find_mounts, made_below
from lamina.plugin import Finding
from lamina.snapshots.local import layout
from lamina.snapshots.recovery import DataRootContents

_SEARCHED: Final = 100
"""Maximum number of deleted directories to search for among the mounts."""
_DELETED: Final = "//deleted"
"""The suffix of a mount's root in mountinfo if its directory was deleted (`dentry_path` of the kernel)."""
_PATIENCE: Final = 600.0
"""Seconds that a running host may take to delete a tree."""


def trash(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Report removed data that is not deleted."""
    check = "trash"
    directory = os.path.join(root.path, layout.TRASH)
    try:
        entries = sorted(os.listdir(directory))
    except FileNotFoundError:
        entries = []
    left = [entry for entry in entries if _age(os.path.join(directory, entry)) > _PATIENCE]
    if evidence.host_pid is not None and left:
        cleanup = f"lamina snapshots{evidence.address} --snapshotter {shlex.quote(name)} cleanup"
        for entry in left:
            path = os.path.join(directory, entry)
            found = f"{path} was removed {_age(path) / 3600:.1f} hours ago, and still exists"
            yield Finding.problem(check, found, f"{cleanup} reports the cause")
    elif entries:
        yield Finding.ok(check, f"{len(entries):,} removed snapshots will be deleted by the next running host")
    else:
        yield Finding.ok(check, "empty")


def _age(path: str) -> float:
    """Return the seconds since a file was moved there: a rename sets its status change time."""
    try:
        return time.time() - os.lstat(path).st_ctime
    except FileNotFoundError:
        return 0.0


def leftover_mounts(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Report mounts of removed snapshots and of temporary directories."""
    check = "mounts"
    findings = [*_mounts_of_removed(evidence, name, root, check)]
    if evidence.host_pid is None:  # a running host makes temporary mounts to probe features
        findings += _mounts_inside(root, check)
    yield from findings or [Finding.ok(check, "no removed snapshot is mounted")]


def _mounts_of_removed(evidence: Evidence, name: str, root: DataRootContents, check: str) -> Iterator[Finding]:
    snapshots = evidence.snapshots[name]
    gone = [(path, what) for path, what in _places(root) if not _is_known(path, snapshots)][:_SEARCHED]
    matchers = [(made_below(path), path, what) for path, what in gone]
    shown: dict[tuple[str, str], str] = {}

    def matches(info: MountInfo, seen_from: str) -> bool:
        for matches_one, path, what in matchers:
            if matches_one(info, seen_from):
                shown[info.device, info.mount_point] = f"{path}, {what}"
                return True
        if deleted := next(_deleted(info, root.path), None):
            shown[info.device, info.mount_point] = f"{deleted}, which was deleted"
            return True
        return False

    for place in find_mounts(matches).places:
        found = (
            f"{place.mount_point} shows {shown[place.device, place.mount_point]}; visible to process {place.pid} "
            f"({place.command})"
        )
        unmount = f"nsenter --target {place.pid} --mount umount {shlex.quote(place.mount_point)}"
        remedy = (
            f"stop process {place.pid}" if place.is_root else f"stop the processes that use it, then {unmount}"
        )
        yield Finding.problem(check, found, remedy)


def _mounts_inside(root: DataRootContents, check: str) -> Iterator[Finding]:
    inside = f"{os.path.realpath(root.path)}/"
    for info in mountinfo():
        if info.mount_point.startswith(inside):
            found = (
                f"{info.type} is mounted at {info.mount_point}, in the data root: a leftover of an "
                "interrupted operation"
            )
            yield Finding.problem(check, found, f"umount {shlex.quote(info.mount_point)}")


def _is_known(path: str, snapshots: Container[int]) -> bool:
    directory, name = os.path.split(path)
    is_data = os.path.basename(directory) == layout.SNAPSHOTS and name.isdecimal()
    return is_data and int(name) in snapshots


def _deleted(info: MountInfo, root: str) -> Iterator[str]:
    """Return the deleted directories of a data root that a mount still shows."""
    if info.type == "overlay":
        try:
            directories = overlay_directories(info.super_options)
        except InvalidArgument:  # not one of lamina's mounts
            return
        for path in filter(None, (directories.upper, *directories.lower)):
            if path.startswith(f"{root}/") and not os.path.exists(path):
                yield path
    elif info.root.endswith(_DELETED):
        around = lookup(root)
        within = os.path.relpath(os.path.realpath(root), around.mount_point)
        inside = os.path.normpath(os.path.join(around.root, within))
        if info.device == around.device and info.root.startswith(f"{inside}/"):
            yield info.root.removesuffix(_DELETED)


def _places(root: DataRootContents) -> Iterator[tuple[str, str]]:
    """Yield directories that should not be mounted, each with a description."""
    for part, what in (
        (layout.SNAPSHOTS, "data without a snapshot"),
        (layout.TRASH, "which was removed"),
        (layout.QUARANTINE, "which is in quarantine"),
    ):
        directory = os.path.join(root.path, part)
        if os.path.isdir(directory):
            yield from ((os.path.join(directory, entry), what) for entry in sorted(os.listdir(directory)))
