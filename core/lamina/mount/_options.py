"""fstab-style options: which are flags of mount(2), which are parameters of the file system."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

import attrs

from lamina.errdefs import InvalidArgument, Unimplemented


class MountFlag(enum.IntFlag):
    """Flags of mount(2), with the numbers of include/uapi/linux/mount.h."""

    RDONLY = 1
    NOSUID = 2
    NODEV = 4
    NOEXEC = 8
    SYNCHRONOUS = 16
    REMOUNT = 32
    MANDLOCK = 64
    DIRSYNC = 128
    NOATIME = 1024
    NODIRATIME = 2048
    BIND = 4096
    REC = 16384
    PRIVATE = 1 << 18
    RELATIME = 1 << 21
    STRICTATIME = 1 << 24


@attrs.frozen
class Options:
    """The options of one mount, sorted out."""

    flags: MountFlag
    data: tuple[str, ...]
    """What is left for the file system, in order. mount(2) takes it joined with `,`."""


_PARAMETER = re.compile(r'(?P<context>(?:fs|def|root)?context="[^"]*")|(?:\\.|[^,\\]|\\\Z)+', re.DOTALL)

_SETS = {
    "bind": MountFlag.BIND,
    "dirsync": MountFlag.DIRSYNC,
    "mand": MountFlag.MANDLOCK,
    "noatime": MountFlag.NOATIME,
    "nodev": MountFlag.NODEV,
    "nodiratime": MountFlag.NODIRATIME,
    "noexec": MountFlag.NOEXEC,
    "nosuid": MountFlag.NOSUID,
    "rbind": MountFlag.BIND | MountFlag.REC,
    "relatime": MountFlag.RELATIME,
    "remount": MountFlag.REMOUNT,
    "ro": MountFlag.RDONLY,
    "strictatime": MountFlag.STRICTATIME,
    "sync": MountFlag.SYNCHRONOUS,
}
_CLEARS = {
    "async": MountFlag.SYNCHRONOUS,
    "atime": MountFlag.NOATIME,
    "dev": MountFlag.NODEV,
    "diratime": MountFlag.NODIRATIME,
    "exec": MountFlag.NOEXEC,
    "nomand": MountFlag.MANDLOCK,
    "norelatime": MountFlag.RELATIME,
    "nostrictatime": MountFlag.STRICTATIME,
    "rw": MountFlag.RDONLY,
    "suid": MountFlag.NOSUID,
    # fstab's word for "no option" (fstab(5)). containerd hands it to the file system as data, which the kernel
    # refuses as an unknown parameter.
    "defaults": MountFlag(0),
}


def parse_options(options: Iterable[str]) -> Options:
    """Sort options into flags and data. Where two contradict each other, the later one wins.

    Args:
        options: One option each, as in `Mount.options`. Elements that are not the name of a flag are data and
            are kept as they are, also when they hold several parameters joined with `,`.

    Raises:
        Unimplemented: An option asks for a loop device or an id-mapped mount.
        InvalidArgument: An option is one that containerd's mount manager should have consumed.
    """
    flags = MountFlag(0)
    data: list[str] = []
    for option in options:
        if option in _SETS:
            flags |= _SETS[option]
        elif option in _CLEARS:
            flags &= ~_CLEARS[option]
        else:
            _refuse_special(option)
            data.append(option)
    return Options(flags, tuple(data))


def split_parameters(data: Iterable[str]) -> list[tuple[str, str | None]]:
    r"""Cut data into keys and values, as the kernel cuts it; a key without `=` has the value None.

    A comma ends a parameter unless a backslash precedes it (Documentation/filesystems/overlayfs.rst) or it
    stands in the quoted value of an SELinux context. Backslashes are kept, those quotes are not: the kernel
    removes them from the string that mount(2) takes, but not from a value given on its own.

    Args:
        data: Elements that may each hold several parameters, as in `Options.data`.
    """
    parameters: list[tuple[str, str | None]] = []
    for match in _PARAMETER.finditer(",".join(data)):
        key, equals, value = match[0].partition("=")
        if match["context"]:
            value = value.replace('"', "")
        parameters.append((key, value if equals else None))
    return parameters


def _refuse_special(option: str) -> None:
    if option == "loop":
        raise Unimplemented("mount option 'loop': attach a loop device with losetup and mount that")
    if option.startswith(("uidmap=", "gidmap=")):
        raise Unimplemented(f"mount option {option!r}: id-mapped mounts are not supported")
    if option.startswith("X-containerd."):
        raise InvalidArgument(
            f"mount option {option!r} is meant for containerd's mount manager, which has to activate this "
            "mount before it can be mounted"
        )
