"""Check whether a host can keep its data in a directory."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterator
from typing import Final

from lamina.diagnosis._locks import lock
from lamina.diagnosis._process import AS_ROOT, reason, user_name
from lamina.errdefs import Error
from lamina.fs import Exposure, Trust, exposure_of
from lamina.mount import MountInfo, lookup
from lamina.places import LOCK
from lamina.plugin import Finding

_NO_BYTES: Final = 1 << 20
_LITTLE_BYTES: Final = 256 << 20
_LITTLE_INODES: Final = 1000
_RESTRICTIONS: Final = {
    "nodev": "devices in them cannot be opened",
    "noexec": "no program in them can be run",
    "nosuid": "set-user-id programs in them run as the caller",
}


def directory(
    check: str,
    path: str,
    *,
    lasts: bool = False,
    trees: bool = False,
    shared: bool = False,
    trust: Trust | None = None,
) -> Iterator[Finding]:
    """Report the problems of a directory, or its properties if there are none.

    Args:
        check: The name of the check.
        path: The absolute path. If it does not exist, the nearest existing directory above is checked.
        lasts: Whether its content must survive a reboot.
        trees: Whether it contains trees that containers see through bind mounts.
        shared: Whether others may write to it as to `/tmp` (`lamina.fs.open_path`).
        trust: The users and groups that may write to it; None: `lamina.fs.Trust.of_process`.
    """
    place = nearest_existing(path)
    try:
        status, space, mount = os.stat(place), os.statvfs(place), lookup(place)
    except (OSError, Error) as error:
        yield Finding.unknown(check, f"{place}: {reason(error)}", AS_ROOT)
        return
    if not stat.S_ISDIR(status.st_mode):
        yield Finding.problem(check, f"{place} is not a directory", f"mv {place} {place}.old")
        return
    missing = "" if path == place else f"{path} will be created; "
    found = [
        *_exposed(check, exposure_of(place, shared=shared or path != place, trust=trust)),
        *_writable(check, f"{missing}{place} ({ownership(status)})", place, mount),
        *_roomy(check, place, space),
        *_lasting(check, place, mount, lasts=lasts),
        *(_unrestricted(check, place, mount) if trees else ()),
    ]
    yield from found
    if not found:
        yield Finding.ok(check, f"{missing}{place} ({ownership(status)}) is on {_on(mount)}, {_free(space)} free")


def data_root(path: str, host_pid: int | None) -> Iterator[Finding]:
    """Check the data root of a local snapshotter (`lamina.snapshots.local`).

    Args:
        path: Its absolute path; it need not exist.
        host_pid: The process of the running host; None if none runs.
    """
    yield from directory("data root", path, lasts=True, trees=True)
    yield lock("lock of the data root", f"{path}/{LOCK}", host_pid)


def nearest_existing(path: str) -> str:
    """Return the path if it exists, else the nearest existing directory above it, as far as this user can see."""
    while path != "/" and not _exists(path):
        path = os.path.dirname(path)
    return path


def ownership(status: os.stat_result) -> str:
    """Describe the owner and mode of a file."""
    return f"mode {stat.S_IMODE(status.st_mode):04o}, {user_name(status.st_uid)}:{group_name(status.st_gid)}"


def group_name(gid: int) -> str:
    """Return the name of a group, or its number if it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # it may exist; a closer look reports why it is not visible
    return True


def _on(mount: MountInfo) -> str:
    return f"{mount.type} ({mount.source}, {','.join(mount.options)})"


def _free(space: os.statvfs_result) -> str:
    inodes = f" and {space.f_favail:,} inodes" if space.f_files else ""
    return f"{space.f_bavail * space.f_frsize / 2**30:,.1f} GiB{inodes}"


def _exposed(check: str, exposure: Exposure | None) -> Iterator[Finding]:
    if exposure:
        found = f"{exposure.found}, who could tamper with files that the host trusts: it refuses to start"
        yield Finding.problem(check, found, exposure.remedy)


def _writable(check: str, what: str, place: str, mount: MountInfo) -> Iterator[Finding]:
    owner, user = os.stat(place).st_uid, os.geteuid()
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        yield Finding.problem(
            check,
            f"{place} is on a file system mounted read-only ({mount.type} {mount.source} at {mount.mount_point})",
            f"mount -o remount,rw {mount.mount_point}. If the kernel made it read-only after errors, that is "
            f"refused, and dmesg -T | grep -i error shows them: then unmount it and run fsck {mount.source}",
        )
    elif os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        return
    elif owner == user:
        yield Finding.problem(check, f"{what} is not writable by its owner", f"chmod u+rwx {place}")
    elif user == 0:
        found = f"{what} is not writable by root, which lacks CAP_DAC_OVERRIDE"
        yield Finding.problem(check, found, f"chown root: {place}")
    else:
        who = user_name(user)
        yield Finding.unknown(
            check,
            f"{what} is not writable by {who}, so a host run by {who} could not use it",
            f"if the host belongs to {user_name(owner)}, {AS_ROOT}; if it should belong to {who}, give it "
            "another root and state",
        )


def _roomy(check: str, place: str, space: os.statvfs_result) -> Iterator[Finding]:
    free, inodes = space.f_bavail * space.f_frsize, space.f_favail
    remedy = (
        f"find out what uses the space: du -xh {place} | sort -h | tail. Remove snapshots (lamina snapshots rm "
        "KEY; with containerd: ctr images rm REF) and wait until their data is deleted: lamina snapshots "
        "cleanup. Or move root, or root_path, to a larger file system"
    )
    left = f"{free / 2**20:,.1f} MiB" + (f" and {inodes:,} inodes" if space.f_files else "")
    if free < _NO_BYTES or (space.f_files and inodes == 0):
        yield Finding.problem(check, f"{place} is full: {left} are left", remedy)
    elif free < _LITTLE_BYTES or (space.f_files and inodes < _LITTLE_INODES):
        yield Finding.warning(check, f"{place} is nearly full: {left} are left", remedy)


def _lasting(check: str, place: str, mount: MountInfo, *, lasts: bool) -> Iterator[Finding]:
    if lasts and mount.type in {"tmpfs", "ramfs"}:
        remedy = "choose a root on a disk"
        yield Finding.warning(check, f"{place} is on {mount.type}: its content is lost after a reboot", remedy)
    elif lasts and mount.type == "overlay":
        yield Finding.warning(
            check,
            f"{place} is on an overlay: is it a container's root file system? It is deleted with the container, "
            "and overlayfs cannot write its layers there",
            f"mount a directory of the machine at {place}, at the same path as outside",
        )


def _unrestricted(check: str, place: str, mount: MountInfo) -> Iterator[Finding]:
    found = [option for option in mount.options if option in _RESTRICTIONS]
    if found:
        meaning = "; ".join(_RESTRICTIONS[option] for option in found)
        opposites = ",".join(option.removeprefix("no") for option in found)
        yield Finding.warning(
            check,
            f"{place} is on a mount with {','.join(found)}, which bind mounts of snapshots in it inherit: "
            f"{meaning}",
            f"mount -o remount,bind,{opposites} {mount.mount_point}, and remove {','.join(found)} from its line "
            "in /etc/fstab",
        )
