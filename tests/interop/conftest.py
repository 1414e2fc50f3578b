"""The image that containers run on."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run
from images import make_image

from lamina.testing import Tree, read_tree


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI archive with the image `images.IMAGE`."""
    return make_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def tree(archive: Path) -> Tree:
    """What the image consists of, as umoci unpacks it."""
    unpacked = archive.parent / "unpacked"
    run("umoci", "raw", "unpack", "--image", f"{archive.parent}/layout:latest", unpacked)
    return read_tree(unpacked, times=False)  # of implied directories they are whenever
