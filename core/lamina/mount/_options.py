"""Parse fstab-style options into flags of mount(2) and parameters of the file system."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import NamedTuple

from lamina.errdefs import InvalidArgument
from lamina.mount.idmap._maps import IdMap, IdMaps


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


class Options(NamedTuple):
    """The parsed options of one mount."""

    flags: MountFlag
    data: tuple[str, ...]
    """The parameters of the file system, in order. mount(2) takes them joined with `,`."""
    id_maps: IdMaps | None = None
    """The maps of file owners in `uidmap` and `gidmap`."""
    loop: bool = False
    """True if the source is attached to a loop device first."""
    direct_io: bool = False
    """True if that loop device bypasses the page cache."""


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
    # fstab's word for "no option" (fstab(5)). containerd passes it to the file system as data, which the kernel
    # refuses as an unknown parameter.
    "defaults": MountFlag(0),
}


def parse_options(options: Iterable[str]) -> Options:
    """Parse options. If two contradict each other, the later one wins.

    `loop`, `uidmap=` and `gidmap=` are instructions for the mounting program, and so is `direct-io` with `loop`.
    The words of mount(8) for the propagation of mounts (`shared`, `rslave`, …) are data, as in containerd.

    Args:
        options: One option each, as in `Mount.options`. All other elements are data and stay unchanged, even if
            they contain several parameters joined with `,`.

    Raises:
        InvalidArgument: containerd's mount manager should have consumed an option; `uidmap` or `gidmap` is
            malformed or given without the other (containerd ignores a single one, and shows wrong owners); or a
            bind mount has `loop`, or a remount `loop` or id maps.
    """
    flags = MountFlag(0)
    data: list[str] = []
    maps: dict[str, IdMap] = {}
    loop = False
    for option in options:
        key, _, value = option.partition("=")
        if option in _SETS:
            flags |= _SETS[option]
        elif option in _CLEARS:
            flags &= ~_CLEARS[option]
        elif option == "loop":
            loop = True
        elif key in ("uidmap", "gidmap"):
            maps[key] = _parse_map(option, value)
        else:
            _refuse_unconsumed(option)
            data.append(option)
    direct_io = loop and "direct-io" in data
    if direct_io:
        data = [option for option in data if option != "direct-io"]
    parsed = Options(flags, tuple(data), _both(maps), loop, direct_io)
    _check_combination(parsed)
    return parsed


def split_parameters(data: Iterable[str]) -> list[tuple[str, str | None]]:
    r"""Split data into keys and values as the kernel does; a key without `=` has the value None.

    A comma ends a parameter unless a backslash precedes it (Documentation/filesystems/overlayfs.rst) or it is in
    the quoted value of an SELinux context. Backslashes are kept, those quotes are not: the kernel removes them
    from the string that mount(2) takes, but not from a single value.

    Args:
        data: Elements that may each contain several parameters, as in `Options.data`.
    """
    parameters: list[tuple[str, str | None]] = []
    for match in _PARAMETER.finditer(",".join(data)):
        key, equals, value = match[0].partition("=")
        if match["context"]:
            value = value.replace('"', "")
        parameters.append((key, value if equals else None))
    return parameters


def replace_parameter(data: Iterable[str], key: str, value: str) -> tuple[str, ...]:
    """Set one parameter, at the end of the data; everything else is unchanged."""
    others = [match[0] for match in _PARAMETER.finditer(",".join(data)) if match[0].partition("=")[0] != key]
    return (*others, f"{key}={value}")


def _parse_map(option: str, value: str) -> IdMap:
    try:
        return IdMap.parse(value)
    except InvalidArgument as error:
        raise InvalidArgument(f"mount option {option!r}: {error}") from error


def _both(maps: dict[str, IdMap]) -> IdMaps | None:
    if not maps:
        return None
    if len(maps) == 1:
        raise InvalidArgument(
            f"mount option {next(iter(maps))} alone: an id-mapped mount needs both uidmap and gidmap "
            "(0:0:4294967295 leaves all ids as they are)"
        )
    return IdMaps(maps["uidmap"], maps["gidmap"])


def _check_combination(options: Options) -> None:
    if options.loop and options.flags & (MountFlag.BIND | MountFlag.REMOUNT):
        raise InvalidArgument("mount option 'loop': a bind mount or remount has no device to attach")
    if options.id_maps and options.flags & MountFlag.REMOUNT:
        raise InvalidArgument("mount options uidmap and gidmap: a remount cannot change them")


def _refuse_unconsumed(option: str) -> None:
    if option.startswith("X-containerd."):
        raise InvalidArgument(
            f"mount option {option!r} is meant for containerd's mount manager, which must activate this mount "
            "first"
        )
