"""Imports whose process is killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lamina.content import verify_blob
from lamina.content.local import LocalContentStore
from lamina.images.documents import Platform
from lamina.metadata import Metadata
from lamina.store import Store
from tests.support.images import Documents
from tests.support.images.archives import entry, layout_of, write_tar
from tests.support.rounds import rounds

IMPORT = """
import sys
from lamina.content.local import LocalContentStore
from lamina.images.archive import import_images, open_source
from lamina.images.documents import Platform
from lamina.metadata import Metadata
from lamina.store import Store

def report(progress):
    print(progress.done, flush=True)

directory, archive = sys.argv[1:]
metadata = Metadata.open(Store.open(directory + "/store"))
content = LocalContentStore(directory + "/content", metadata.labels)
with open_source(archive) as source:
    import_images(source, content, metadata.images("default"), platform=Platform("linux", "amd64"), report=report)
print("named", flush=True)
"""
"""Prints a line for each step."""
NAME = "docker.io/library/image:1"


@pytest.fixture
def made() -> Documents:
    return Documents()


@pytest.fixture
def archive(made: Documents, tmp_path: Path) -> Path:
    target = made.manifest(Platform("linux", "amd64"), "", *(os.urandom(2_500_000) for _ in range(4)))
    return write_tar(tmp_path / "image.tar", layout_of(made, entry(target, tag="1")))


def steps(directory: Path, archive: Path, kill_after: int | None = None) -> int:
    """Import an archive, until its process is killed after a number of steps; return the number of steps."""
    directory.mkdir(exist_ok=True)
    command = (sys.executable, "-c", IMPORT, directory, archive)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for number, _ in enumerate(process.stdout, start=1):
            if number == kill_after:
                process.kill()
                return number
        assert process.wait() == 0
        return number


def test_an_import_that_was_killed_is_finished_by_the_next(archive: Path, made: Documents, tmp_path: Path) -> None:
    count = steps(tmp_path / "whole", archive)
    for number in range(rounds(2, 200)):
        directory = tmp_path / str(number)
        for _ in range(2):
            steps(directory, archive, kill_after=random.randint(1, count))
            assert names_and_blobs(directory)[0] in ([], [NAME])
        steps(directory, archive)
        assert names_and_blobs(directory) == ([NAME], set(made.blobs))
        assert os.listdir(directory / "content/ingest") == []


def names_and_blobs(directory: Path) -> tuple[list[str], set[str]]:
    """The names of images, and the blobs, all of which are intact; an image has all of its blobs."""
    with closing(Store.open(str(directory / "store"))) as store:
        metadata = Metadata.open(store)
        with closing(LocalContentStore(str(directory / "content"), metadata.labels)) as content:
            blobs = {info.digest: info for info in content.walk()}
            for digest in blobs:
                verify_blob(content, digest)
            named = [image.name for image in metadata.images("default").list()]
            referred = {digest for info in blobs.values() for digest in info.labels.values()}
            assert referred <= set(blobs)
            return named, set(blobs)
