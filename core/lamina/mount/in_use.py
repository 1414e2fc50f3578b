"""Find where a snapshot is mounted, in every readable mount namespace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

import attrs

from lamina.errdefs import Error, InvalidArgument
from lamina.mount._mountinfo import MountInfo, lookup, mountinfo
from lamina.mount._options import MountFlag, parse_options
from lamina.mount._overlay import OverlayDirectories, overlay_directories
from lamina.mount._record import Mount

MountMatcher = Callable[[MountInfo, str], bool]
"""Selects mounts, given a mount and a path to the root directory of the process that has it."""


@attrs.frozen
class MountPlace:
    """A place where something is mounted, as seen by a process."""

    device: str
    """`major:minor` of its files: the same for copies of the mount in other mount namespaces."""
    mount_point: str
    """The mount point, relative to the process's root directory."""
    pid: int = attrs.field(eq=False)
    """The first process found with this mount."""
    command: str = attrs.field(eq=False)
    """The name of that process (proc_pid_comm(5))."""

    @property
    def is_root(self) -> bool:
        """True if it is the root directory of its process, as in a container: no umount(8) removes that."""
        return self.mount_point == "/"


@attrs.frozen
class FoundMounts:
    """The places where something is mounted."""

    places: tuple[MountPlace, ...]
    """Each place once, regardless of the number of processes."""
    hidden: bool
    """True if some processes may not be inspected, so that there may be more places."""


def find_mounts(matches: MountMatcher) -> FoundMounts:
    """Search the mounts of every readable process.

    Each mount namespace is read once. Not found are mounts in namespaces without a process, and detached mounts
    (`umount --lazy`) that are still in use.

    Args:
        matches: Selects mounts: the result of `made_of` or `made_below`.
    """
    found: dict[MountPlace, None] = {}
    seen: set[tuple[str, int, int]] = set()
    hidden = False
    for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
        try:
            view = _view(pid)
            if view in seen:
                continue
            mounts, command = mountinfo(pid), _command(pid)
        except PermissionError:
            hidden = True
            continue
        except OSError:  # it has just exited
            continue
        seen.add(view)
        for info in mounts:
            if matches(info, f"/proc/{pid}/root"):
                found.setdefault(MountPlace(info.device, info.mount_point, pid, command))
    return FoundMounts(tuple(found), hidden)


def made_of(mounts: Iterable[Mount]) -> MountMatcher:
    """Return a matcher for mounts that show the same as these.

    A writable overlay is recognised by its upper directory, a read-only one by its layers, a bind mount by the
    directory or one below it, a btrfs by the id of its subvolume. Other types are not recognised.

    Args:
        mounts: The mounts that a snapshotter returned.
    """
    matchers = [matcher for mount in mounts for matcher in _matchers(mount)]
    return lambda info, root: any(matches(info, root) for matches in matchers)


def made_below(path: str) -> MountMatcher:
    """Return a matcher for mounts of a directory or of one below it, and overlays that write there.

    Args:
        path: The absolute path. If it does not exist, nothing matches.
    """
    inside = _inside(path)
    beginning = f"{path}/", f"{os.path.realpath(path)}/"

    def writes_there(info: MountInfo, root: str) -> bool:
        upper = _directories(info).upper
        there = upper.startswith(beginning[0]) or os.path.realpath(upper).startswith(beginning[1])
        return bool(upper) and there and _is_same(upper, root, upper)

    return lambda info, root: inside(info, root) or writes_there(info, root)


def _matchers(mount: Mount) -> Iterator[MountMatcher]:
    options = parse_options(mount.options)
    if mount.type == "overlay":
        wanted = overlay_directories(mount.options)
        yield lambda info, root: _is_overlay(_directories(info), root, wanted)
        if wanted.upper:
            yield _inside(wanted.upper)
    elif options.flags & MountFlag.BIND:
        yield _inside(mount.source)
    elif subvolumes := {option for option in options.data if option.startswith("subvolid=")}:
        yield (
            lambda info, root: (
                info.type == mount.type
                and subvolumes <= set(info.super_options)
                and _is_same_device(info.source, root, mount.source)
            )
        )


def _directories(info: MountInfo) -> OverlayDirectories:
    """Return the directories of an overlay; none for other types."""
    if info.type != "overlay":
        return OverlayDirectories(())
    try:
        return overlay_directories(info.super_options)
    except InvalidArgument:  # not an overlay that lamina can have made
        return OverlayDirectories(())


def _is_overlay(found: OverlayDirectories, root: str, wanted: OverlayDirectories) -> bool:
    if wanted.upper:
        return _is_same(found.upper, root, wanted.upper)
    if found.upper or not found.lower or len(found.lower) != len(wanted.lower):
        return False
    return all(map(_same_tail, found.lower, wanted.lower)) and _is_same(found.lower[0], root, wanted.lower[0])


def _is_same(found: str, root: str, wanted: str) -> bool:
    """Return whether a directory, as named by another process, is the wanted one.

    A relative path matches if the wanted path ends in it: the directory that it is relative to is unknown.
    """
    if not found or not _same_tail(found, wanted):
        return False
    if not os.path.isabs(found):
        return True
    try:
        return os.path.samestat(os.stat(f"{root}{found}"), os.stat(wanted))
    except OSError:  # removed meanwhile, or covered by another mount
        return found == wanted


def _is_same_device(found: str, root: str, wanted: str) -> bool:
    """Return whether a block device is the wanted one, under any name."""
    try:
        return os.stat(f"{root}{found}").st_rdev == os.stat(wanted).st_rdev
    except OSError:
        return found == wanted


def _same_tail(found: str, wanted: str) -> bool:
    """Return whether two paths end in the same two names: symbolic links lead to a data root, not into it."""
    return found.split("/")[-2:] == wanted.split("/")[-2:]


def _inside(path: str) -> MountMatcher:
    """Return a matcher for mounts of a directory or of one below it, by device and path in the file system."""
    try:
        around = lookup(path)
    except Error:
        return lambda _info, _root: False
    within = os.path.relpath(os.path.realpath(path), around.mount_point)
    inside = os.path.normpath(os.path.join(around.root, within))
    return lambda info, _: (
        info.device == around.device and (info.root == inside or info.root.startswith(f"{inside}/"))
    )


def _view(pid: int) -> tuple[str, int, int]:
    """Return what decides which mounts a process sees: its mount namespace and its root directory."""
    root = os.stat(f"/proc/{pid}/root")
    return os.readlink(f"/proc/{pid}/ns/mnt"), root.st_dev, root.st_ino


def _command(pid: int) -> str:
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().rstrip("\n")
