"""Layers for tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lamina.layers import Applied, Limits, Whiteouts, apply_layer, open_layer
from lamina.testing import read_tree
from tests.support import tar

SECOND = 1_000_000_000
TIME = 1_000_000_000 * SECOND + 123_456_789
"""The time of what a layer brings, in nanoseconds."""


class Item(bytes):
    """An entry in the archive."""

    name: str
    shown: str

    def __repr__(self) -> str:
        return self.shown


def entry(
    name: str | bytes,
    type_: bytes,
    data: bytes = b"",
    *,
    mode: int = 0o644,
    uid: int | None = None,
    gid: int | None = None,
    mtime: int = TIME,
    link: str | bytes = b"",
    device: int = 0,
    xattrs: Mapping[str, bytes] | None = None,
) -> Item:
    """An entry of any type. It belongs to whoever runs the test, unless the test says otherwise."""
    seconds, nanoseconds = divmod(mtime, SECOND)
    records = [
        (b"path", os.fsencode(name)),
        (b"mtime", b"%d.%09d" % (seconds, nanoseconds)),
        (b"uid", b"%d" % (os.geteuid() if uid is None else uid)),
        (b"gid", b"%d" % (os.getegid() if gid is None else gid)),
        *((b"linkpath", os.fsencode(link)) for _ in range(bool(link))),
        *((b"SCHILY.xattr." + key.encode(), value) for key, value in (xattrs or {}).items()),
    ]
    header = tar.header(
        b"name",
        type_,
        mode=tar.octal(mode, 8),
        size=len(data),
        link=b"link" if link else b"",
        major=tar.octal(os.major(device), 8),
        minor=tar.octal(os.minor(device), 8),
    )
    item = Item(tar.pax(*records) + header + tar.padded(data))
    item.name = os.fsdecode(name)
    item.shown = (
        f"entry({name!r}, {type_!r}, {data!r}, mode={mode:#o}, mtime={mtime}, link={link!r}, xattrs={xattrs})"
    )
    return item


def file(name: str | bytes, data: bytes = b"", **fields: object) -> Item:
    return entry(name, b"0", data, **fields)


def directory(name: str | bytes, mode: int = 0o755, **fields: object) -> Item:
    return entry(name, b"5", mode=mode, **fields)


def symlink(name: str | bytes, target: str | bytes, **fields: object) -> Item:
    return entry(name, b"2", link=target, mode=0o777, **fields)


def hard_link(name: str | bytes, target: str | bytes) -> Item:
    return entry(name, b"1", link=target)


def device(name: str | bytes, major: int, minor: int, **fields: object) -> Item:
    return entry(name, b"3", device=os.makedev(major, minor), **fields)


def fifo(name: str | bytes, **fields: object) -> Item:
    return entry(name, b"6", **fields)


def whiteout(name: str) -> Item:
    """What deletes a file of the layers below."""
    parent, _, base = name.rpartition("/")
    return file(f"{parent}/.wh.{base}" if parent else f".wh.{base}")


def opaque(name: str) -> Item:
    """What deletes everything that the layers below have in a directory."""
    return file(f"{name}/.wh..wh..opq" if name else ".wh..wh..opq")


def apply(
    root: Path,
    *entries: bytes,
    whiteouts: Whiteouts = Whiteouts.DELETE,
    parent: Path | None = None,
    is_lowest: bool = False,
    limits: Limits | None = None,
) -> Applied:
    """Apply a layer to a directory."""
    data = b"".join(entries) + tar.END
    fds = [os.open(path, os.O_PATH) for path in (root, parent) if path]
    try:
        with tar.opened(data) as fd, open_layer(fd, size=len(data)) as stream:
            return apply_layer(
                stream,
                fds[0],
                whiteouts=whiteouts,
                parent_fd=fds[1] if parent else None,
                is_lowest=is_lowest,
                limits=limits or Limits(),
            )
    finally:
        for fd in fds:
            os.close(fd)


def names(root: Path) -> list[str]:
    """The paths in a directory, sorted."""
    return sorted(read_tree(root).keys() - {"."})
