"""Layers that are not hostile, to be cut, or applied to a directory that others change meanwhile."""

from __future__ import annotations

import tarfile

from tests.support.hostile.layers.archive import archive, directory, file, hard_link, special, symlink, with_xattrs


def every_type() -> bytes:
    """A layer with an entry of every type, long names, and data of several blocks."""
    return archive(
        directory("new"),
        file("new/file", bytes(range(256)) * 5),
        with_xattrs(file("new/attributes", b""), {"user.a": "1"}),
        symlink("new/link", "file"),
        hard_link("new/name", "new/file"),
        special("new/fifo", tarfile.FIFOTYPE),
        special("new/null", tarfile.CHRTYPE, 1, 3),
        file("new/" + "n" * 200),
        file("d/.wh.file", b""),
        directory("usr/lib"),
        file("usr/lib/.wh..wh..opq", b""),
    )


def many_in_one_directory(name: str, count: int) -> bytes:
    """A layer that does everything in one directory, again and again."""
    members = []
    for number in range(count):
        below = f"{name}/{number}"
        members += [directory(below, mode=0o777), file(f"{below}/file"), symlink(f"{below}/link", "file")]
        members += [hard_link(f"{below}/name", f"{below}/file"), file(f"{name}/.wh.victim", b"")]
        members += [file(f"{name}/victim"), file(f"{name}/sub/.wh..wh..opq", b"")]
    return archive(*members)
