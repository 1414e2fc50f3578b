"""Whether overlayfs works in a directory, and with which options."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from lamina.errdefs import Error, InvalidArgument, SkipPlugin, from_os_error, is_transient
from lamina.fs import is_full_or_read_only, supports_d_type
from lamina.mount import Mount, temporary_mount
from lamina.plugins.snapshots._trial import remove_left_trials, trial_directory

_log = logging.getLogger(__name__)

INDEX: Final = "/sys/module/overlay/parameters/index"
ALL_IDS: Final = (0, 0, 2**32 - 1)
"""The only line of uid_map outside any user namespace (user_namespaces(7))."""
UNESCAPED: Final = frozenset(':,\\"')
"""Characters that mean something in overlayfs's options; containerd and runc pass paths without escaping them."""
_PARTS: Final = ("snapshots", "records")
"""Directories of a data root (`lamina.snapshots.local`), both of which belong to this process's user."""

Attempt: TypeAlias = Callable[[str, Sequence[str]], Error | OSError | None]
"""Tries overlayfs in a directory with options, and returns what failed."""


def probe(root: str, mount_options: Sequence[str]) -> tuple[str, ...]:
    """The options that every overlay mount below a directory gets: those configured and those needed.

    A real overlay is mounted and written to. Where the disk is full or read-only, and there are layers already, an
    overlay of their directories is mounted, and nothing is written.

    Args:
        root: Where the layers will be; it must exist.
        mount_options: What is configured.

    Raises:
        SkipPlugin: Overlayfs does not work there; the message says why.
        InvalidArgument: It does, but not with `mount_options`; or the path cannot be passed in mount options.
        ResourceExhausted, ReadOnly: The disk is full or read-only, and there are no layers.
        Error: The attempt failed for a reason of the moment.
    """
    bad = unpassable(root)
    if bad:
        raise InvalidArgument(
            f"overlay data root {root!r}: {bad} cannot be in a path that is passed in mount options: choose "
            "another root_path"
        )
    remove_left_trials(root)
    try:
        with trial_directory(root) as trial:
            has_d_type = supports_d_type(trial)
        if not has_d_type:
            raise SkipPlugin(
                f"overlayfs needs a file system with d_type, and the one of {root} has none "
                "(xfs: format with ftype=1)"
            )
        return _options(root, mount_options, attempt)
    except (Error, OSError) as error:
        if not is_full_or_read_only(error) or not _has_layers(root):
            if isinstance(error, OSError):
                raise from_os_error(error, "try overlayfs") from error
            raise
        _log.warning("overlayfs is tried without writing", extra={"root": root, "reason": str(error)})
        return _options(root, mount_options, _attempt_without_writing)


def _options(root: str, configured: Sequence[str], tried: Attempt) -> tuple[str, ...]:
    """The options with which an attempt succeeds: those configured and those needed."""
    needed = needed_options(root, configured, tried)
    failure = tried(root, (*configured, *needed))
    if failure is None:
        return (*configured, *needed)
    if is_full_or_read_only(failure) or is_transient(failure):
        raise from_os_error(failure, "try overlayfs") if isinstance(failure, OSError) else failure
    if configured and tried(root, needed) is None:
        raise InvalidArgument(f"mount_options {list(configured)}: {failure}") from failure
    raise SkipPlugin(f"overlayfs does not work in {root}: {failure}") from failure


def unpassable(root: str) -> str:
    """The characters of a path that cannot be passed in mount options, to be told; "" where all can."""
    return ", ".join(map(repr, sorted(UNESCAPED.intersection(root))))


def remaps_ids(root: str, options: Sequence[str]) -> bool:
    """Whether overlays below a directory can have id-mapped layers. One is mounted, and an owner read through it.

    Args:
        root: Where the layers will be; `probe` has found it fit.
        options: What `probe` returned.

    Raises:
        ResourceExhausted, ReadOnly: The disk is full or read-only, and there are no layers: it cannot be told.
        Error: The attempt failed for a reason of the moment: it cannot be told either.
    """
    host_id = 1000
    options = (*(f"{key}=0:{host_id}:1" for key in ("uidmap", "gidmap")), *options)
    try:
        try:
            with _trial(root, options) as merged:
                status = os.stat(os.path.join(merged, "file"))
        except (Error, OSError) as error:
            if not is_full_or_read_only(error) or not _has_layers(root):
                raise
            with _trial_of_layers(root, options) as merged:
                status = os.stat(merged)
    except (Error, OSError) as error:
        if is_full_or_read_only(error) or is_transient(error):
            if isinstance(error, OSError):
                raise from_os_error(error, "try id-mapped layers") from error
            raise  # else snapshots would be shown with other owners than before
        _log.info("layers cannot be id-mapped here", extra={"root": root, "reason": str(error)})
        return False
    return (status.st_uid, status.st_gid) == (host_id, host_id)


def in_user_namespace() -> bool:
    """Whether this process sees only a part of the machine's ids."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return tuple(map(int, file.readline().split())) != ALL_IDS


def needed_options(root: str, configured: Sequence[str], tried: Attempt) -> tuple[str, ...]:
    """Options that nobody configured and that overlayfs cannot do without here.

    Args:
        root: Where the layers will be.
        configured: What is configured.
        tried: `attempt`, or what stands for it.
    """
    needed = []
    if "userxattr" not in configured and in_user_namespace() and tried(root, ("userxattr",)) is None:
        needed.append("userxattr")
    if not any(option.split("=")[0] == "index" for option in configured) and os.path.exists(INDEX):
        # Two mounts may share a lower layer, which index=on forbids.
        needed.append("index=off")
    return tuple(needed)


def attempt(root: str, options: Sequence[str]) -> Error | OSError | None:
    """Mount an overlay on two layers, delete a file in it, and return what failed."""
    try:
        with _trial(root, options) as merged:
            os.unlink(os.path.join(merged, "file"))
    except (Error, OSError) as error:
        return error
    return None


def _attempt_without_writing(root: str, options: Sequence[str]) -> Error | OSError | None:
    """As `attempt`, with nothing deleted."""
    try:
        with _trial_of_layers(root, options):
            return None
    except (Error, OSError) as error:
        return error


def _has_layers(root: str) -> bool:
    """Whether a snapshotter has used a directory."""
    return all(os.path.isdir(os.path.join(root, name)) for name in _PARTS)


@contextlib.contextmanager
def _trial_of_layers(root: str, options: Sequence[str]) -> Iterator[str]:
    """Where an overlay is mounted of two directories that every data root has."""
    lower = ":".join(os.path.join(root, name) for name in _PARTS)
    with temporary_mount(
        [Mount(type="overlay", source="overlay", options=(f"lowerdir={lower}", *options))]
    ) as merged:
        yield merged


@contextlib.contextmanager
def _trial(root: str, options: Sequence[str]) -> Iterator[str]:
    """Where an overlay is mounted whose lowest layer has a `file`."""
    with trial_directory(root) as trial:
        paths = {name: os.path.join(trial, name) for name in ("upper", "work", "lower", "lowest", "merged")}
        for path in paths.values():
            os.mkdir(path)
        with open(os.path.join(paths["lowest"], "file"), "w", encoding="ascii"):
            pass
        layers = f"lowerdir={paths['lower']}:{paths['lowest']}"
        overlay = Mount(
            type="overlay",
            source="overlay",
            options=(f"workdir={paths['work']}", f"upperdir={paths['upper']}", layers, *options),
        )
        with temporary_mount([overlay], directory=trial) as merged:
            yield merged
