"""Find out whether overlayfs works in a directory, and with which options."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from lamina.errdefs import Error, FailedPrecondition, InvalidArgument, SkipPlugin, is_transient, translated
from lamina.fs import is_full_or_read_only, supports_d_type
from lamina.mount import Mount, in_user_namespace, mount_all, temporary_mount, unmount
from lamina.plugins.snapshots._probe_directory import probe_directory, remove_stale_probes

_log = logging.getLogger(__name__)

INDEX: Final = "/sys/module/overlay/parameters/index"
UNSAFE_CHARACTERS: Final = frozenset(':,\\"')
"""Characters with a meaning in overlayfs's options. containerd and runc pass paths without escaping them."""
_OPERATION: Final = "try overlayfs"
_HOST_ID: Final = 1000
_ID_MAPS: Final = frozenset({f"uidmap=0:{_HOST_ID}:1", f"gidmap=0:{_HOST_ID}:1"})
_PROBE_DIRECTORIES: Final = ("upper", "work", "lower", "lowest", "merged")
_DATA_DIRECTORIES: Final = ("snapshots", "records")
"""Directories of every data root (`lamina.snapshots.local`), owned by this process's user."""

Attempt: TypeAlias = Callable[[str, Sequence[str]], Error | None]
"""Tries overlayfs in a directory with some options, and returns the error if it fails."""


def probe(root: str, mount_options: Sequence[str], *, remap_ids: bool) -> tuple[tuple[str, ...], bool]:
    """Mount and write to an overlay, to find out what overlay mounts in the directory need, and whether they work.

    On a full or read-only disk with existing layers, two directories of the data root are mounted instead, and
    nothing is written.

    Args:
        root: The directory of the layers.
        mount_options: The configured options.
        remap_ids: Whether to find out if layers can be id-mapped.

    Returns:
        The configured options, followed by required ones; and whether layers can be id-mapped, False if not asked.

    Raises:
        SkipPlugin: overlayfs does not work there. The message says why.
        InvalidArgument: `mount_options` are not accepted, or the path cannot be part of mount options.
        ResourceExhausted, ReadOnly: The disk is full or read-only, and there are no layers.
        Error: The probe failed for a transient reason.
    """
    characters = unsafe_characters(root)
    if characters:
        raise InvalidArgument(
            f"overlay data root {root!r}: {characters} cannot be in a path that is passed in mount options: "
            "choose another root_path"
        )
    remove_stale_probes(root)
    try:
        return _probe(root, mount_options, try_overlay, remap_ids=remap_ids)
    except Error as error:
        if not is_full_or_read_only(error) or not _has_layers(root):
            raise
        _log.warning("trying overlayfs without writing", extra={"root": root, "reason": str(error)})
        return _probe(root, mount_options, _try_overlay_read_only, remap_ids=remap_ids)


def _probe(
    root: str, configured: Sequence[str], attempt: Attempt, *, remap_ids: bool
) -> tuple[tuple[str, ...], bool]:
    required = required_options(root, configured, attempt)
    options = (*configured, *required)
    if remap_ids and can_remap_ids(root, options, attempt):
        return options, True  # an overlay on id-mapped layers needs all that any overlay needs
    failure = attempt(root, options)
    if failure is None:
        return options, False
    if is_full_or_read_only(failure) or is_transient(failure):
        raise failure
    if configured and attempt(root, required) is None:
        raise InvalidArgument(f"mount_options {list(configured)}: {failure}") from failure
    if isinstance(failure, SkipPlugin):
        raise failure
    raise SkipPlugin(f"overlayfs does not work in {root}: {failure}") from failure


def unsafe_characters(root: str) -> str:
    """Return the characters of a path that cannot be part of mount options, quoted for a message."""
    return ", ".join(map(repr, sorted(UNSAFE_CHARACTERS.intersection(root))))


def required_options(root: str, configured: Sequence[str], attempt: Attempt) -> tuple[str, ...]:
    """Return the options that overlayfs needs here in addition to the configured ones."""
    required = []
    if "userxattr" not in configured and in_user_namespace() and attempt(root, ("userxattr",)) is None:
        required.append("userxattr")
    if not any(option.split("=")[0] == "index" for option in configured) and os.path.exists(INDEX):
        # Two mounts may share a lower layer, which index=on forbids.
        required.append("index=off")
    return tuple(required)


def can_remap_ids(root: str, options: Sequence[str], attempt: Attempt) -> bool:
    """Try an overlay with id-mapped layers; return whether it works.

    Raises:
        SkipPlugin: No overlay works there.
        ResourceExhausted, ReadOnly: The disk is full or read-only.
        Error: The attempt failed for a transient reason.
    """
    # Unmounting a volatile overlay does not sync the whole file system. All kernels that map layers have them.
    failure = attempt(root, (*_ID_MAPS, "volatile", *options))
    if failure is None:
        return True
    if is_full_or_read_only(failure) or is_transient(failure) or isinstance(failure, SkipPlugin):
        raise failure  # returning False would change the owners that existing snapshots show
    _log.info("layers cannot be id-mapped here", extra={"root": root, "reason": str(failure)})
    return False


def try_overlay(root: str, options: Sequence[str]) -> Error | None:
    """Mount an overlay with two lower layers and delete a file in it; return the error if that fails."""
    try:
        with _probe_overlay(root, options) as merged:
            file = os.path.join(merged, "file")
            _check_owner(file, options)
            os.unlink(file)
    except Error as error:
        return error
    return None


def _try_overlay_read_only(root: str, options: Sequence[str]) -> Error | None:
    """Mount an overlay of existing directories; return the error if that fails."""
    try:
        with _overlay_of_data_root(root, options) as merged:
            _check_owner(merged, options)
    except Error as error:
        return error
    return None


def _check_owner(path: str, options: Sequence[str]) -> None:
    """Check that id-mapped layers show the mapped owner."""
    if _ID_MAPS.issubset(options) and os.stat(path).st_uid != _HOST_ID:
        raise FailedPrecondition("id-mapped layers show the owners on disk")


def _has_layers(root: str) -> bool:
    """Return whether a snapshotter has used the directory."""
    return all(os.path.isdir(os.path.join(root, name)) for name in _DATA_DIRECTORIES)


@contextlib.contextmanager
def _overlay_of_data_root(root: str, options: Sequence[str]) -> Iterator[str]:
    """Mount an overlay of two directories that every data root has, and yield its mount point."""
    lower = ":".join(os.path.join(root, name) for name in _DATA_DIRECTORIES)
    overlay = Mount(type="overlay", source="overlay", options=(f"lowerdir={lower}", *options))
    with translated(_OPERATION), temporary_mount([overlay]) as merged:
        yield merged


@contextlib.contextmanager
def _probe_overlay(root: str, options: Sequence[str]) -> Iterator[str]:
    """Mount an overlay with a `file` in its lowest layer, and yield its mount point.

    Raises:
        SkipPlugin: The file system has no d_type.
    """
    with translated(_OPERATION), probe_directory(root) as directory:
        if not supports_d_type(directory):
            raise SkipPlugin(
                f"overlayfs needs a file system with d_type, and the one of {root} has none "
                "(xfs: format with ftype=1)"
            )
        upper, work, lower, lowest, merged = (os.path.join(directory, name) for name in _PROBE_DIRECTORIES)
        for path in (upper, work, lower, lowest, merged):
            os.mkdir(path)
        os.close(os.open(os.path.join(lowest, "file"), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
        layers = (f"workdir={work}", f"upperdir={upper}", f"lowerdir={lower}:{lowest}")
        mount_all([Mount(type="overlay", source="overlay", options=(*options, *layers))], merged)
        try:
            yield merged
        finally:
            unmount(merged)
