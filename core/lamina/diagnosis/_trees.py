"""Check whether a snapshot's mounts can be made, by this process and by others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import attrs

from lamina.diagnosis._privileges import may_mount
from lamina.diagnosis._process import AS_ROOT, process, processes_named, reason
from lamina.diagnosis._remedies import mount_remedy
from lamina.errdefs import Error
from lamina.mount import Mount, overlay_directories, temporary_mount
from lamina.mount.in_use import FoundMounts, MountPlace, find_mounts, made_of
from lamina.plugin import Finding


@attrs.frozen
class _MountedPath:
    """A path in a mount."""

    role: str
    """`lowerdir 2 of 5`, `upperdir`, `source`, …"""
    path: str


def snapshot_mounts(mounts: Sequence[Mount], host_pid: int | None) -> Iterator[Finding]:
    """Report what prevents a snapshot's mounts; if nothing does, mount them read-only and unmount them again.

    Args:
        mounts: The mounts that the snapshotter returned.
        host_pid: The process of the host; None if it is not visible.
    """
    places = [place for mount in mounts for place in _places(mount)]
    yield from _same_view(places, host_pid)
    missing = list(_missing(places))
    yield from missing
    if not missing:
        yield Finding.ok("paths", f"there: {', '.join(place.role for place in places)}")
    found = find_mounts(made_of(mounts))
    writes = any(mount.type == "overlay" and overlay_directories(mount.options).upper for mount in mounts)
    yield _mounted(found, writes=writes)
    if not found.places:
        yield from _left_by_volatile(places)
    if not missing and not (
        writes and found.places
    ):  # the kernel logs a warning about an upper directory that is used twice
        yield _trial(mounts)


def _places(mount: Mount) -> Iterator[_MountedPath]:
    if mount.type != "overlay":
        if os.path.isabs(mount.source):
            yield _MountedPath("source", mount.source)
        return
    directories = overlay_directories(mount.options)
    for role, path in (("upperdir", directories.upper), ("workdir", directories.work)):
        if path:
            yield _MountedPath(role, path)
    for number, path in enumerate(directories.lower, start=1):
        yield _MountedPath(f"lowerdir {number} of {len(directories.lower)}", path)


def _missing(places: Iterable[_MountedPath]) -> Iterator[Finding]:
    for place in places:
        try:
            os.stat(place.path)
        except FileNotFoundError:
            yield Finding.problem(
                "paths",
                f"{place.role} {place.path} does not exist",
                "it was deleted, or its file system is not mounted: findmnt --target "
                f"{os.path.dirname(place.path)}. If it was deleted, restore the data root and the metastore from "
                "the same backup; or remove the snapshot and its descendants (lamina snapshots tree shows them, "
                "lamina snapshots rm KEY removes one) and pull the image again",
            )
        except OSError as error:
            yield Finding.unknown("paths", f"{place.role} {place.path}: {reason(error)}", AS_ROOT)


def _left_by_volatile(places: Iterable[_MountedPath]) -> Iterator[Finding]:
    """Report volatile mounts: overlay then refuses their workdir (Documentation/filesystems/overlayfs.rst)."""
    for place in places:
        incompat = f"{place.path}/work/incompat"
        if place.role == "workdir" and os.path.lexists(f"{incompat}/volatile"):
            yield Finding.problem(
                "paths",
                f"{incompat}/volatile exists: the snapshot was mounted with volatile, its data may not all be on "
                "disk, and it cannot be mounted again",
                "if the machine crashed meanwhile, remove the snapshot. If it did not, or to keep the snapshot "
                f"anyway: rm -r {incompat}",
            )


def _same_view(places: Sequence[_MountedPath], host_pid: int | None) -> Iterator[Finding]:
    """Check that the host and containerd see the same files at these paths as this process."""
    check = "mount namespaces"
    # A containerd in a container may have nothing to do with this host.
    others = {pid: (f"containerd, process {pid},", Finding.warning) for pid in processes_named("containerd")}
    if host_pid is not None:
        others[host_pid] = (f"the host, process {host_pid},", Finding.problem)
    for pid, (who, make) in others.items():
        try:
            if _namespace(pid) == _namespace(os.getpid()):
                continue
        except FileNotFoundError:  # it has just exited
            continue
        except PermissionError:
            yield Finding.unknown(check, f"that of {who} may not be inspected", AS_ROOT)
            continue
        wrong = [place for place in places if not _same_file(place.path, f"/proc/{pid}/root{place.path}")]
        if not wrong:
            yield Finding.ok(check, f"{who} is in another one, but sees the same at every path")
            continue
        yield make(
            check,
            f"{who} is in another mount namespace (a container?), and sees something else at {wrong[0].path}",
            "make the data root available at the same absolute path in both, with mount propagation: docker run "
            "-v DIR:DIR:rshared; in Kubernetes, hostPath with mountPropagation: Bidirectional. To look from "
            f"there: nsenter --target {pid} --mount lamina diagnose",
        )


def _namespace(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/mnt")


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samestat(os.stat(one), os.stat(other))
    except OSError:
        return os.path.exists(one) == os.path.exists(other)


def _mounted(found: FoundMounts, *, writes: bool) -> Finding:
    """Report where the mounts exist already, in any visible mount namespace."""
    check = "mounted"
    places = [f"{place.mount_point} (seen by {process(place.pid) or _named(place)})" for place in found.places]
    if writes and len({place.device for place in found.places}) > 1:
        left = [place.mount_point for place in found.places if not place.is_root]
        unmount = f", and unmount what they leave behind: umount {left[-1]}" if left else ""
        return Finding.problem(
            check,
            f"in {len(places)} places: {'; '.join(places)}. The behaviour of an upper directory that is used "
            "twice is undefined",
            f"stop all users but one{unmount}",
        )
    if places:
        return Finding.ok(check, f"at {'; '.join(places)}")
    if not found.hidden:
        return Finding.ok(check, "nowhere now")
    if os.geteuid() == 0:
        return Finding.ok(check, "in no visible mount namespace")
    return Finding.unknown(
        check, "in no visible mount namespace, but some processes may not be inspected", AS_ROOT
    )


def _named(place: MountPlace) -> str:
    return f"process {place.pid} ({place.command})"


def _trial(mounts: Sequence[Mount]) -> Finding:
    check = "mount"
    if not may_mount():
        return Finding.unknown(check, "this process may not mount", AS_ROOT)
    try:
        with temporary_mount(mounts, read_only=True) as root:
            entries = len(os.listdir(root))
    except (Error, OSError) as error:
        return Finding.problem(check, str(error), mount_remedy(str(error)))
    return Finding.ok(check, f"mounted read-only for a moment; entries in its root directory: {entries}")
