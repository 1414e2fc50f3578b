"""Another process exchanges directories for symbolic links while a layer is applied."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lamina.errdefs import Error
from lamina.layers import Whiteouts
from tests.support.hostile.watched import Watch, make_watched
from tests.support.layers import Item, apply, directory, fifo, file, hard_link, opaque, symlink, whiteout
from tests.support.rounds import rounds

pytestmark = pytest.mark.requires("root")

SWAPPER = """
import os, shutil, sys
from contextlib import suppress
from lamina.fs import exchange

outside, spare, *paths = sys.argv[1:]
while True:
    for path in paths:
        with suppress(FileExistsError):
            os.mkdir(path)
        os.symlink(outside, spare)
        for _ in range(20):
            with suppress(FileNotFoundError):  # the layer has removed it
                exchange(path, spare)
        if os.path.islink(spare):
            os.unlink(spare)
        else:
            shutil.rmtree(spare)
    print(flush=True)
"""
"""Exchanges directories for symbolic links, and back, and prints a line from time to time."""


@contextmanager
def swapping(outside: Path, spare: Path, *paths: Path) -> Iterator[Iterator[bytes]]:
    """Exchange paths for symbolic links to a directory, in the block; yields what is printed."""
    command = [sys.executable, "-c", SWAPPER, outside, spare, *paths]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield process.stdout
        finally:
            process.kill()


def layers(way: str) -> Iterator[list[Item]]:
    """Layers that would reach what is outside if the way were followed there."""
    yield [file(f"{way}/new", b"new")]
    yield [file(f"{way}/victim", b"new", mode=0o777)]
    yield [directory(f"{way}/sub", 0o777)]
    yield [file(f"{way}/sub/inner", b"new")]
    yield [symlink(f"{way}/s", "x"), fifo(f"{way}/p", mode=0o777)]
    yield [file("f"), hard_link(f"{way}/h", "f")]
    yield [hard_link("taken", f"{way}/only-outside")]
    yield [whiteout(f"{way}/only-outside")]
    yield [whiteout(f"{way}/sub")]
    yield [opaque(way)]
    yield [directory(f"{way}/.", 0o777, xattrs={"user.x": b"1"})]


@pytest.mark.parametrize("whiteouts", Whiteouts)
def test_nothing_outside_is_touched(tmp_path: Path, whiteouts: Whiteouts) -> None:
    root, outside, parent = tmp_path / "root", make_watched(tmp_path / "outside"), tmp_path / "parent"
    (root / "e").mkdir(parents=True)
    (parent / "d/sub").mkdir(parents=True)
    (root / "link").symlink_to("d")
    tried = [layer for way in ("d", "e/d", "link") for layer in layers(way)]
    watch = Watch.begin(outside)
    with swapping(outside, tmp_path / "spare", root / "d", root / "e/d") as swapped:
        for _, layer in zip(swapped, tried * rounds(10, 1000), strict=False):
            with suppress(Error):  # something was not where it had just been
                apply(root, *layer, whiteouts=whiteouts, parent=parent if whiteouts is Whiteouts.OVERLAY else None)
    assert watch.changes() == []
