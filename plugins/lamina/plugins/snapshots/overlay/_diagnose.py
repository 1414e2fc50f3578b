"""Diagnose what prevents overlays from being mounted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from lamina.diagnosis import AS_ROOT, data_root, file_system, may_mount, mount_remedy, nearest_existing
from lamina.fs import supports_d_type
from lamina.mount import in_user_namespace, lookup
from lamina.plugin import Finding
from lamina.plugins.snapshots._probe_directory import probe_directory, refusal, remove_stale_probes
from lamina.plugins.snapshots.overlay._probe import (
    can_remap_ids,
    required_options,
    try_overlay,
    unsafe_characters,
)

_ENABLE_D_TYPE: Final = {
    "xfs": "back up what is in {0}; umount {0}; mkfs.xfs -f -n ftype=1 {1}; mount {1} {0}; and copy it back",
    "ext4": "umount {0}; tune2fs -O filetype {1}; e2fsck -f {1}; mount {1} {0}",
}
"""Commands by file system type, with placeholders for mount point and device."""


def diagnose(
    root: str, mount_options: Sequence[str], remap_ids: Literal["auto", True, False], host_pid: int | None
) -> Iterator[Finding]:
    """Check the requirements of overlayfs. An overlay is mounted, and written to, beside the layers.

    Args:
        root: The directory of the layers; it need not exist.
        mount_options: The configured options.
        remap_ids: The configured value.
        host_pid: The process of the running host, if any.
    """
    yield file_system("overlay")
    yield from data_root(root, host_pid)
    yield _path(root)
    place = nearest_existing(root)
    if reason := refusal(place):
        remedy = AS_ROOT if os.geteuid() else "see data root; on a full disk, make space"
        yield Finding.unknown("d_type, mount options", f"{place} cannot be written to: {reason}", remedy)
        return
    if place == root:
        remove_stale_probes(root)
    yield _d_type(place)
    yield _xattrs(place)
    if may_mount():
        yield from _overlay(place, mount_options, remap_ids)
    else:
        yield Finding.unknown("mount options", "this process may not mount", AS_ROOT)


def _path(root: str) -> Finding:
    characters = unsafe_characters(root)
    if not characters:
        return Finding.ok("path", "it can be passed in mount options")
    return Finding.problem(
        "path",
        f"{root!r}: {characters} cannot be in a path that is passed in mount options",
        "set root_path to a directory without such characters in its path",
    )


def _d_type(place: str) -> Finding:
    with probe_directory(place) as directory:
        has_d_type = supports_d_type(directory)
    if has_d_type:
        return Finding.ok("d_type", f"directory entries in {place} have types")
    mount = lookup(place)
    other = "set root_path to a directory on ext4, btrfs, or xfs with ftype=1"
    commands = _ENABLE_D_TYPE.get(mount.type)
    return Finding.problem(
        "d_type",
        f"{mount.type} {mount.source} at {mount.mount_point} does not store the types of directory entries; "
        "overlayfs needs them to track deletions",
        f"with the host stopped: {commands.format(mount.mount_point, mount.source)}. Or {other}"
        if commands
        else other,
    )


def _xattrs(place: str) -> Finding:
    """Check that the extended attributes of overlayfs can be set."""
    name = f"{'user' if in_user_namespace() else 'trusted'}.lamina.probe"
    check = "extended attributes"
    with probe_directory(place) as directory:
        try:
            os.setxattr(directory, name, b"y")
        except PermissionError:
            return Finding.unknown(check, f"{name}: this process may not set it", AS_ROOT)
        except OSError as error:
            return Finding.problem(
                check,
                f"{name} cannot be set in {place}: {error.strerror}; overlayfs needs such attributes to mark "
                "replaced directories",
                "set root_path to a directory on ext4, xfs or btrfs",
            )
    return Finding.ok(check, f"{name.partition('.')[0]}.* can be set")


def _overlay(
    place: str, mount_options: Sequence[str], remap_ids: Literal["auto", True, False]
) -> Iterator[Finding]:
    required = required_options(place, mount_options, try_overlay)
    options = (*mount_options, *required)
    failure = try_overlay(place, options)
    if failure is None:
        with_options = f"with {','.join(options)}" if options else "without options"
        found = f"an overlay was mounted in {place} {with_options}, and a file deleted in it"
        yield Finding.ok("mount options", found)
        yield _id_mapped(place, options, remap_ids)
    elif mount_options and try_overlay(place, required) is None:
        yield from _rejected_options(place, mount_options, required, failure)
    else:
        found = f"overlayfs does not work in {place}: {failure}"
        yield Finding.problem("mount", found, mount_remedy(str(failure)))


def _id_mapped(place: str, options: Sequence[str], remap_ids: Literal["auto", True, False]) -> Finding:
    """Check that layers can be id-mapped, if configured."""
    check = "id-mapped layers"
    if remap_ids is False:
        return Finding.ok(check, "disabled: remap_ids = false")
    can_remap = can_remap_ids(place, options, try_overlay)
    found = f"the kernel {'can' if can_remap else 'cannot'} map the owners of layers for a user namespace"
    if can_remap or remap_ids == "auto":
        return Finding.ok(check, found)
    remedy = (
        "set remap_ids = false, with which clients chown a copy, or use Linux 5.19 or later and a file system "
        "that supports it"
    )
    return Finding.problem(check, f"{found}, but remap_ids = true requires it", remedy)


def _rejected_options(
    place: str, mount_options: Sequence[str], required: Sequence[str], failure_of_all: Exception
) -> Iterator[Finding]:
    """Find out which of the options overlayfs rejects."""
    check = "mount options"
    results = {option: try_overlay(place, (option, *required)) for option in mount_options}
    rejected = {option: failure for option, failure in results.items() if failure is not None}
    for option, failure in rejected.items():
        yield Finding.problem(check, f"{option} is rejected: {failure}", f"remove {option!r} from mount_options")
    if not rejected:
        yield Finding.problem(
            check,
            f"{', '.join(mount_options)} are each accepted alone, and rejected together: {failure_of_all}",
            "remove one of them from mount_options; "
            "https://docs.kernel.org/filesystems/overlayfs.html says which can be combined",
        )
