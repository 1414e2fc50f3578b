"""The mounts in /proc/self/mountinfo."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from lamina.errdefs import NotFound, translated


class MountInfo(NamedTuple):
    """A line of /proc/self/mountinfo, unescaped (proc_pid_mountinfo(5))."""

    id: int
    """Unique while the mount exists; may be reused afterwards."""
    parent: int
    """The id of the mount below this one."""
    device: str
    """`major:minor` of its files."""
    root: str
    """The path inside the file system that is mounted."""
    mount_point: str
    """The mount point, relative to the process's root directory."""
    options: tuple[str, ...]
    """Options of this mount."""
    propagation: tuple[str, ...]
    """`shared:N`, `master:N`, `propagate_from:N`, `unbindable`; empty for a private mount."""
    type: str
    source: str
    super_options: tuple[str, ...]
    """Options of the file system, shared by all its mounts."""


def mountinfo(pid: int | None = None, *, mentioning: Iterable[str] | None = None) -> list[MountInfo]:
    """Return all mounts of a process's mount namespace below its root directory, in the kernel's order.

    Args:
        pid: The process; None: this one.
        mentioning: Return only mounts whose lines contain one of these texts, found without decoding the lines.
            The texts must not contain escaped characters (blanks, backslashes, `#`).

    Raises:
        OSError: The process has exited or may not be inspected.
    """
    data = _read(pid)
    if mentioning is None:
        return [parse_line(line) for line in data.splitlines()]
    texts = [text for text in map(os.fsencode, mentioning) if text in data]
    if not texts:
        return []
    return [parse_line(line) for line in data.splitlines() if any(text in line for text in texts)]


def mount_points() -> set[str]:
    """Return all mount points of this process's mount namespace below its root directory."""
    return {_decode(line.split(b" ", 5)[4]) for line in _read().splitlines()}


def lookup(path: str | os.PathLike[str]) -> MountInfo:
    """Return the mount that contains a path: the visible one with the longest mount point.

    Symbolic links are followed.

    Raises:
        NotFound: The path does not exist, or its mount is outside of the process's root directory.
        PermissionDenied: A directory on the way may not be searched.
    """
    with translated("look up a mount"):
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
            mount_id = int(dict(line.split(":", 1) for line in file if ":" in line)["mnt_id"])
        lines = _read().splitlines()  # while the descriptor keeps the mount and its id
    finally:
        os.close(fd)
    for line in lines:
        if line.startswith(b"%d " % mount_id):
            return parse_line(line)
    raise NotFound(f"mount of {os.fspath(path)}: it is outside of this process's root directory")


def parse_line(line: bytes) -> MountInfo:
    """Decode one line, without its end, in the format of proc_pid_mountinfo(5)."""
    fields = line.split(b" ")
    separator = fields.index(b"-", 6)  # preceded by any number of optional fields
    fs_type, source, super_options = fields[separator + 1 : separator + 4]
    return MountInfo(
        id=int(fields[0]),
        parent=int(fields[1]),
        device=_decode(fields[2]),
        root=_decode(fields[3]),
        mount_point=_decode(fields[4]),
        options=_decode_list(fields[5]),
        propagation=tuple(_decode(field) for field in fields[6:separator]),
        type=_decode(fs_type),
        source=_decode(source),
        super_options=_decode_list(super_options),
    )


def _read(pid: int | None = None) -> bytes:
    with open(f"/proc/{'self' if pid is None else pid}/mountinfo", "rb") as file:
        return file.read()


def _decode(field: bytes) -> str:
    if b"\\" not in field:
        return os.fsdecode(field)
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field))


def _decode_list(field: bytes) -> tuple[str, ...]:
    return tuple(_decode(item) for item in field.split(b","))
