"""Find out whether overlayfs works in a directory, and with which options."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from lamina.errdefs import Error, InvalidArgument, SkipPlugin, is_transient, translated
from lamina.fs import is_full_or_read_only, supports_d_type
from lamina.mount import Mount, in_user_namespace, temporary_mount
from lamina.plugins.snapshots._probe_directory import probe_directory, remove_stale_probes

_log = logging.getLogger(__name__)

INDEX: Final = "/sys/module/overlay/parameters/index"
UNSAFE_CHARACTERS: Final = frozenset(':,\\"')
"""Characters with a meaning in overlayfs's options. containerd and runc pass paths without escaping them."""
_OPERATION: Final = "try overlayfs"
_DATA_DIRECTORIES: Final = ("snapshots", "records")
"""Directories of every data root (`lamina.snapshots.local`), owned by this process's user."""

Attempt: TypeAlias = Callable[[str, Sequence[str]], Error | None]
"""Tries overlayfs in a directory with some options, and returns the error if it fails."""


def probe(root: str, mount_options: Sequence[str]) -> tuple[str, ...]:
    """Mount and write to an overlay, and return the options that overlay mounts in the directory need.

    On a full or read-only disk with existing layers, two directories of the data root are mounted instead, and
    nothing is written.

    Returns:
        The configured options, followed by required ones.

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
        with translated(_OPERATION), probe_directory(root) as directory:
            has_d_type = supports_d_type(directory)
        if not has_d_type:
            raise SkipPlugin(
                f"overlayfs needs a file system with d_type, and the one of {root} has none "
                "(xfs: format with ftype=1)"
            )
        return _options(root, mount_options, try_overlay)
    except Error as error:
        if not is_full_or_read_only(error) or not _has_layers(root):
            raise
        _log.warning("trying overlayfs without writing", extra={"root": root, "reason": str(error)})
        return _options(root, mount_options, _try_overlay_read_only)


def _options(root: str, configured: Sequence[str], attempt: Attempt) -> tuple[str, ...]:
    """Return the configured and required options, after an attempt with them has succeeded."""
    required = required_options(root, configured, attempt)
    failure = attempt(root, (*configured, *required))
    if failure is None:
        return (*configured, *required)
    if is_full_or_read_only(failure) or is_transient(failure):
        raise failure
    if configured and attempt(root, required) is None:
        raise InvalidArgument(f"mount_options {list(configured)}: {failure}") from failure
    raise SkipPlugin(f"overlayfs does not work in {root}: {failure}") from failure


def unsafe_characters(root: str) -> str:
    """Return the characters of a path that cannot be part of mount options, quoted for a message."""
    return ", ".join(map(repr, sorted(UNSAFE_CHARACTERS.intersection(root))))


def can_remap_ids(root: str, options: Sequence[str]) -> bool:
    """Mount an overlay with id-mapped layers; return whether it shows the mapped owner.

    Raises:
        ResourceExhausted, ReadOnly: The disk is full or read-only, and there are no layers.
        Error: The mount failed for a transient reason.
    """
    host_id = 1000
    options = (*(f"{key}=0:{host_id}:1" for key in ("uidmap", "gidmap")), *options)
    try:
        try:
            with _probe_overlay(root, options) as merged:
                status = os.stat(os.path.join(merged, "file"))
        except Error as error:
            if not is_full_or_read_only(error) or not _has_layers(root):
                raise
            with _overlay_of_data_root(root, options) as merged:
                status = os.stat(merged)
    except Error as error:
        if is_full_or_read_only(error) or is_transient(error):
            raise  # returning False would change the owners that existing snapshots show
        _log.info("layers cannot be id-mapped here", extra={"root": root, "reason": str(error)})
        return False
    return (status.st_uid, status.st_gid) == (host_id, host_id)


def required_options(root: str, configured: Sequence[str], attempt: Attempt) -> tuple[str, ...]:
    """Return the options that overlayfs needs here in addition to the configured ones."""
    required = []
    if "userxattr" not in configured and in_user_namespace() and attempt(root, ("userxattr",)) is None:
        required.append("userxattr")
    if not any(option.split("=")[0] == "index" for option in configured) and os.path.exists(INDEX):
        # Two mounts may share a lower layer, which index=on forbids.
        required.append("index=off")
    return tuple(required)


def try_overlay(root: str, options: Sequence[str]) -> Error | None:
    """Mount an overlay with two lower layers and delete a file in it; return the error if that fails."""
    try:
        with _probe_overlay(root, options) as merged:
            os.unlink(os.path.join(merged, "file"))
    except Error as error:
        return error
    return None


def _try_overlay_read_only(root: str, options: Sequence[str]) -> Error | None:
    """Mount an overlay of existing directories; return the error if that fails."""
    try:
        with _overlay_of_data_root(root, options):
            return None
    except Error as error:
        return error


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
    """Mount an overlay with a `file` in its lowest layer, and yield its mount point."""
    with translated(_OPERATION), probe_directory(root) as directory:
        paths = {name: os.path.join(directory, name) for name in ("upper", "work", "lower", "lowest", "merged")}
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
        with temporary_mount([overlay], directory=directory) as merged:
            yield merged
