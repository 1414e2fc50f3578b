"""What keeps overlays from being mounted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from lamina.diagnosis import AS_ROOT, data_root, file_system, may_mount, mount_remedy, nearest_existing
from lamina.fs import supports_d_type
from lamina.mount import lookup
from lamina.plugin import Finding
from lamina.plugins.snapshots._trial import remove_left_trials, trial_directory
from lamina.plugins.snapshots.overlay._probe import (
    attempt,
    in_user_namespace,
    needed_options,
    remaps_ids,
    unpassable,
)

_GIVES_D_TYPE: Final = {
    "xfs": "back up what is in {0}; umount {0}; mkfs.xfs -f -n ftype=1 {1}; mount {1} {0}; and copy it back",
    "ext4": "umount {0}; tune2fs -O filetype {1}; e2fsck -f {1}; mount {1} {0}",
}
"""By file system type; of mount point and device."""


def diagnose(
    root: str, mount_options: Sequence[str], remap_ids: Literal["auto", True, False], host_pid: int | None
) -> Iterator[Finding]:
    """Look at all that overlayfs needs. A real overlay is mounted, and written to, beside the layers.

    Args:
        root: Where the layers are or will be.
        mount_options: What is configured.
        remap_ids: The same.
        host_pid: The process of the host that runs; None where none does.
    """
    yield file_system("overlay")
    yield from data_root(root, host_pid)
    yield _path(root)
    place = nearest_existing(root)
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        remedy = AS_ROOT if os.geteuid() else "see data root"
        yield Finding.unknown("d_type, mount options", f"{place} cannot be written to", remedy)
        return
    if place == root:
        remove_left_trials(root)
    yield _d_type(place)
    yield _attributes(place)
    if may_mount():
        yield from _overlay(place, mount_options, remap_ids)
    else:
        yield Finding.unknown("mount options", "this process may not mount", AS_ROOT)


def _path(root: str) -> Finding:
    bad = unpassable(root)
    if not bad:
        return Finding.ok("path", "it can be passed in mount options")
    return Finding.problem(
        "path",
        f"{root!r}: {bad} cannot be in a path that is passed in mount options",
        "set root_path to a directory without such characters in its path",
    )


def _d_type(place: str) -> Finding:
    with trial_directory(place) as trial:
        has_d_type = supports_d_type(trial)
    if has_d_type:
        return Finding.ok("d_type", f"directory entries in {place} have types")
    mount = lookup(place)
    other = "set root_path to a directory on ext4, btrfs, or xfs with ftype=1"
    mend = _GIVES_D_TYPE.get(mount.type)
    return Finding.problem(
        "d_type",
        f"{mount.type} {mount.source} at {mount.mount_point} does not tell the types of directory entries, "
        "without which overlayfs loses track of what was deleted",
        f"with the host stopped: {mend.format(mount.mount_point, mount.source)}. Or {other}" if mend else other,
    )


def _attributes(place: str) -> Finding:
    """Whether overlayfs can note what it must at directories."""
    name = f"{'user' if in_user_namespace() else 'trusted'}.lamina.probe"
    check = "extended attributes"
    with trial_directory(place) as trial:
        try:
            os.setxattr(trial, name, b"y")
        except PermissionError:
            return Finding.unknown(check, f"{name}: this process may not set it", AS_ROOT)
        except OSError as error:
            return Finding.problem(
                check,
                f"{name} cannot be set in {place}: {error.strerror}; overlayfs marks replaced directories by one",
                "set root_path to a directory on ext4, xfs or btrfs",
            )
    return Finding.ok(check, f"{name.partition('.')[0]}.* can be set")


def _overlay(
    place: str, mount_options: Sequence[str], remap_ids: Literal["auto", True, False]
) -> Iterator[Finding]:
    needed = needed_options(place, mount_options, attempt)
    options = (*mount_options, *needed)
    failure = attempt(place, options)
    if failure is None:
        with_options = f"with {','.join(options)}" if options else "without options"
        found = f"an overlay was mounted in {place} {with_options}, and a file deleted in it"
        yield Finding.ok("mount options", found)
        yield _id_mapped(place, options, remap_ids)
    elif mount_options and attempt(place, needed) is None:
        yield from _refused(place, mount_options, needed, failure)
    else:
        found = f"overlayfs does not work in {place}: {failure}"
        yield Finding.problem("mount", found, mount_remedy(str(failure)))


def _id_mapped(place: str, options: Sequence[str], remap_ids: Literal["auto", True, False]) -> Finding:
    """Whether layers can be id-mapped, if they are to be."""
    check = "id-mapped layers"
    if remap_ids is False:
        return Finding.ok(check, "they are not wanted: remap_ids = false")
    can = remaps_ids(place, options)
    found = f"they {'can' if can else 'cannot'} be shown with the owners that a user namespace wants"
    if can or remap_ids == "auto":
        return Finding.ok(check, found)
    remedy = 'set remap_ids = "auto", or use Linux 5.19 or later and a file system that allows it'
    return Finding.problem(check, f"{found}, and must: remap_ids = true", remedy)


def _refused(
    place: str, mount_options: Sequence[str], needed: Sequence[str], together: Exception
) -> Iterator[Finding]:
    """Which of the options it is that overlayfs does not take."""
    check = "mount options"
    alone = {option: attempt(place, (option, *needed)) for option in mount_options}
    refused = {option: failure for option, failure in alone.items() if failure is not None}
    for option, failure in refused.items():
        yield Finding.problem(check, f"{option} is refused: {failure}", f"take {option!r} out of mount_options")
    if not refused:
        yield Finding.problem(
            check,
            f"{', '.join(mount_options)} are each accepted alone, and refused together: {together}",
            "take one of them out of mount_options; which go together says "
            "https://docs.kernel.org/filesystems/overlayfs.html",
        )
