"""Layers give the tree that `umoci unpack` makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.testing import differences, read_tree
from tests.support import tar
from tests.support.commands import run
from tests.support.layers import (
    TIME,
    Item,
    apply,
    device,
    directory,
    fifo,
    file,
    hard_link,
    opaque,
    symlink,
    whiteout,
)

pytestmark = pytest.mark.requires("root", "umoci")

BASE = [
    directory(".", 0o755, mtime=TIME),
    directory("tmp", 0o1777, mtime=TIME),
    directory("usr", mtime=TIME),
    directory("usr/lib", 0o2755, gid=50, mtime=TIME, xattrs={"user.x": b"1"}),
    file("usr/lib/a", b"a", mode=0o4755, uid=7, mtime=TIME, xattrs={"trusted.y": b"2"}),
    hard_link("usr/lib/b", "usr/lib/a"),
    symlink("usr/lib/s", "a", uid=3, mtime=TIME),
    symlink("lib", "usr/lib", mtime=TIME),
    directory("dev", mtime=TIME),
    device("dev/null", 1, 3, mode=0o666, mtime=TIME),
    fifo("dev/fifo", mode=0o600, mtime=TIME),
    directory("etc", 0o700, mtime=TIME),
    file("etc/kept", b"1", mtime=TIME),
    file("etc/gone", b"2", mtime=TIME),
    directory("etc/full", mtime=TIME),
    file("etc/full/x", mtime=TIME),
]
LAYERS: dict[str, list[Item]] = {
    "a file below a symlink": [file("lib/foo", b"foo")],
    "a hard link to an earlier layer": [hard_link("usr/lib/c", "usr/lib/a")],
    "a hard link to a symlink": [hard_link("usr/lib/c", "usr/lib/s")],
    "an implied directory": [file("tmp/f", b"f")],
    "a changed directory": [directory("usr/lib", 0o700, mtime=TIME + 5)],
    "a changed file": [file("etc/kept", b"new", mode=0o600)],
    "a deleted file": [whiteout("etc/gone")],
    "a deleted directory": [whiteout("etc/full")],
    "a deletion below a symlink": [whiteout("lib/a")],
    "an opaque directory": [directory("etc"), opaque("etc"), file("etc/new")],
    "an opaque directory, said last": [directory("etc"), file("etc/new"), opaque("etc")],
    "a directory that becomes a file": [file("etc/full")],
    "a file that becomes a directory": [directory("etc/kept"), file("etc/kept/x")],
    "a symlink that becomes a directory": [directory("lib"), file("lib/x")],
    "a directory that becomes a symlink": [symlink("etc", "usr")],
    "another name of a file that changes": [file("usr/lib/a", b"new")],
    "a link to a file that is then deleted": [
        directory("etc", mtime=TIME),
        hard_link("etc/b", "etc/gone"),
        whiteout("etc/gone"),
    ],
    "a link to one of the names of a file, all deleted": [
        hard_link("etc/c", "usr/lib/a"),
        whiteout("usr/lib/a"),
        whiteout("usr/lib/b"),
    ],
    "a link to a file of a directory that is then deleted": [
        hard_link("dev/x", "etc/full/x"),
        whiteout("etc/full"),
    ],
    "a link to a file of a directory that is then opaque": [
        directory("etc"),
        hard_link("etc/new", "etc/gone"),
        opaque("etc"),
    ],
    "a deletion in a directory that is then deleted": [whiteout("etc/full/x"), whiteout("etc/full")],
    "a link to a file that is deleted, then replaced": [
        hard_link("etc/b", "etc/gone"),
        whiteout("etc/gone"),
        file("etc/gone", b"new"),
        whiteout("etc/gone"),
    ],
}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_gives_the_same_tree(tmp_path: Path, layer: str) -> None:
    (tmp_path / "lamina").mkdir()
    image = f"{tmp_path}/layout:latest"
    run("umoci", "init", "--layout", tmp_path / "layout")
    run("umoci", "new", "--image", image)
    for number, entries in enumerate((BASE, LAYERS[layer])):
        apply(tmp_path / "lamina", *entries)
        archive = tmp_path / f"{number}.tar"
        archive.write_bytes(b"".join(entries) + tar.END)
        run("umoci", "raw", "add-layer", "--image", image, archive)
    run("umoci", "raw", "unpack", "--image", image, tmp_path / "umoci")
    assert differences(read_tree(tmp_path / "lamina"), read_tree(tmp_path / "umoci")) == []
