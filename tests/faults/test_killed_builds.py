"""Commits and exports whose process is killed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.images.archive import open_source
from lamina.snapshots import Kind
from tests.support.images.archives import write_directory
from tests.support.images.building import FORMATS, NAME, parts
from tests.support.images.built import layer
from tests.support.images.layouts import debian
from tests.support.rounds import rounds

pytestmark = pytest.mark.requires("root", "overlay")


def build(directory: Path, format_: str, kill_after: int | None = None) -> int:
    """Commit and export, until the process is killed after a number of steps; return the number of steps."""
    command = (sys.executable, "-m", "tests.support.images.building", directory, format_)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        number = 0
        for number, _ in enumerate(process.stdout, start=1):
            if number == kill_after:
                process.kill()
                return number
        assert process.wait() == 0
        return number


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("format_", FORMATS)
def test_what_was_killed_is_finished_by_the_next(tmp_path: Path, format_: str) -> None:
    """There is no half of an image or an archive meanwhile, and nothing else is left in the end."""
    layout = write_directory(tmp_path / "layout", debian(layer({"file": "1"})))
    directory = tmp_path / "host"
    directory.mkdir()
    with parts(directory) as have:
        have.begin(layout)
    count = build(directory, format_)
    for _ in range(rounds(1, 70)):
        remove(directory / "out")
        with parts(directory) as have:
            have.change()
        build(directory, format_, kill_after=random.randint(1, count))
        with parts(directory) as have:
            have.check()
        if (directory / "out").exists():
            assert_complete(directory / "out")
        remove(directory / "out")
        build(directory, format_)
        assert_complete(directory / "out")
        assert sorted(os.listdir(directory)) == ["out", "root", "state"]
        with parts(directory) as have:
            have.check()
            assert have.transfer.resolve(NAME).layers[-1].size > 8_000_000
            assert list(have.content.statuses()) == []
            assert {info.kind for info in have.snapshotter.walk("kind!=committed")} == {Kind.ACTIVE}


def assert_complete(path: Path) -> None:
    """Check that an archive has all blobs of its image."""
    with open_source(str(path)) as source:
        ((_, target),) = source.images
        assert source.read(target)
