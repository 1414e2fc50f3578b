"""The containerds of Debian's suites, and the image that containers run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.testing import Tree, read_tree
from tests.support.commands import run
from tests.support.interop import releases
from tests.support.interop.images import make_image, make_large_image


@pytest.fixture(
    scope="session",
    params=[pytest.param(suite, marks=pytest.mark.requires(f"containerd-{suite}")) for suite in releases.SUITES],
)
def release(request: pytest.FixtureRequest) -> releases.Release:
    """Each of the containerds."""
    return releases.release(request.param)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI archive with the image `images.IMAGE`."""
    return make_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def tree(archive: Path) -> Tree:
    """What the image consists of, as umoci unpacks it."""
    return _unpacked(archive)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI archive with the same image that takes a while to unpack."""
    return make_large_image(tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="session")
def large_tree(large: Path) -> Tree:
    """What the large image consists of."""
    return _unpacked(large)


def _unpacked(archive: Path) -> Tree:
    """The tree of the image, without the times: those of directories that layers only imply are of the moment."""
    unpacked = archive.parent / "unpacked"
    run("umoci", "raw", "unpack", "--image", f"{archive.parent}/layout:latest", unpacked)
    return read_tree(unpacked, times=False)
