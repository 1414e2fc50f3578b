"""Mount a new file system: through a context if the kernel supports it, else with mount(2)."""

from __future__ import annotations

import errno
import os

import attrs

from lamina.errdefs import Unimplemented
from lamina.mount import _syscalls
from lamina.mount._by_string import mount_by_string
from lamina.mount._context import FilesystemContext, overlay_takes_single_layers
from lamina.mount._options import MountFlag, Options, split_parameters
from lamina.mount._overlay import split_layers, unescape
from lamina.mount._record import Mount

_Parameters = list[tuple[str, str | None]]

# The fsconfig(2) parameters for flags of mount(2) (fs/fs_context.c).
_SUPERBLOCK_WORDS = {
    MountFlag.RDONLY: "ro",
    MountFlag.SYNCHRONOUS: "sync",
    MountFlag.DIRSYNC: "dirsync",
    MountFlag.MANDLOCK: "mand",
}
# MOUNT_ATTR_* (include/uapi/linux/mount.h). `relatime` is 0 there: it is the default.
_ATTRIBUTES = {
    MountFlag.RDONLY: 0x01,
    MountFlag.NOSUID: 0x02,
    MountFlag.NODEV: 0x04,
    MountFlag.NOEXEC: 0x08,
    MountFlag.NODIRATIME: 0x80,
}
_NOATIME = 0x10
_STRICTATIME = 0x20

_MAX_LAYERS = 500  # OVL_MAX_STACK of fs/overlayfs/params.h, only for messages: the kernel enforces it


def mount_filesystem(mount: Mount, options: Options, place: str, namespace: int | None = None) -> None:
    """Mount anything but a bind mount.

    Args:
        mount: The mount; its options are taken from `options`.
        options: Its options.
        place: The mount point.
        namespace: A user namespace whose maps apply to the owners of files, or None.

    Raises:
        OSError: The kernel refused; the notes name the step and repeat the kernel's messages.
        InvalidArgument: The options are malformed, or too long for mount(2).
        Unimplemented: Only mount(2) can mount this, which cannot map ids.
    """
    parameters = split_parameters(options.data)
    context = _open_context(mount, parameters)
    if context is None and namespace is not None:
        raise Unimplemented(f"uidmap and gidmap of {mount.type} {mount.source!r}: need fsopen(2)")
    if context is None:
        mount_by_string(mount, options, place)
        return
    with context:
        _configure(context, mount, options.flags, parameters)
        context.create()
        context.attach(place, _attributes(options.flags), namespace)


def open_filesystem(mount: Mount, source: str, options: Options) -> int | None:
    """Mount anything but a bind mount, without a mount point.

    Args:
        mount: The mount; its options are taken from `options`.
        source: The source to mount, in place of the mount's own.
        options: Its options.

    Returns:
        The descriptor of the mount, which ends when it is closed; None if only mount(2) can mount this.

    Raises:
        OSError: The kernel refused; the notes name the step and repeat the kernel's messages.
        InvalidArgument: The options are malformed.
    """
    mount = attrs.evolve(mount, source=source)
    parameters = split_parameters(options.data)
    context = _open_context(mount, parameters)
    if context is None:
        return None
    with context:
        _configure(context, mount, options.flags, parameters)
        context.create()
        return context.mount(_attributes(options.flags))


def _open_context(mount: Mount, parameters: _Parameters) -> FilesystemContext | None:
    """Open a context, or return None if only mount(2) can do it."""
    strings = [value for key, value in parameters if value is not None and not _is_path(mount, key)]
    if not all(_fits(string) for string in (mount.source, *strings)):
        return None
    try:
        if mount.type == "overlay" and not overlay_takes_single_layers():
            return None
        return FilesystemContext(mount.type)
    except OSError as error:
        # EPERM: some seccomp profiles forbid fsopen(2) but allow mount(2).
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return None
        raise


def _configure(context: FilesystemContext, mount: Mount, flags: MountFlag, parameters: _Parameters) -> None:
    context.set_string("source", mount.source)
    for flag, word in _SUPERBLOCK_WORDS.items():
        if flags & flag:
            context.set_flag(word)
    lowerdir = None
    for key, value in parameters:
        if value is None:
            context.set_flag(key)
        elif not _is_path(mount, key):
            context.set_string(key, value)
        elif key == "lowerdir":
            lowerdir = value  # the last of several counts; layers set one by one would add up
        else:
            _set_path(context, key, value, unescape(value))
    if lowerdir is not None:
        _set_layers(context, lowerdir)


def _set_layers(context: FilesystemContext, lowerdir: str) -> None:
    layers = split_layers(lowerdir)
    for number, (key, path) in enumerate(layers, start=1):
        try:
            _set_path(context, key, path, path)
        except OSError as error:
            if number > _MAX_LAYERS:
                error.add_note(
                    f"layer {number} of {len(layers)}: this kernel stacks {number - 1}; merge layers, for "
                    "example by rebuilding the image with fewer"
                )
            raise


def _set_path(context: FilesystemContext, key: str, value: str, path: str) -> None:
    """Set a directory, as `value` if that fits: mountinfo shows the string that was set."""
    if _fits(value):
        context.set_string(key, value)
    else:
        context.set_directory(key, path)


def _is_path(mount: Mount, key: str) -> bool:
    return mount.type == "overlay" and key in ("lowerdir", "upperdir", "workdir")


def _fits(value: str) -> bool:
    return len(os.fsencode(value)) < _syscalls.FSCONFIG_STRING_SIZE


def _attributes(flags: MountFlag) -> int:
    attributes = sum(attribute for flag, attribute in _ATTRIBUTES.items() if flags & flag)
    if flags & MountFlag.STRICTATIME:  # wins over noatime, as in mount(2)
        return attributes | _STRICTATIME
    return attributes | _NOATIME if flags & MountFlag.NOATIME else attributes
