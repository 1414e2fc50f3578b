"""`lamina snapshots diff` on snapshots of a containerd, through its own socket."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.mount import temporary_mount
from lamina.snapshots import Snapshotter
from tests.support import tar
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd

pytestmark = pytest.mark.requires("root", "overlay", "containerd")

LAMINA = Path(sys.executable).with_name("lamina")
KEEP = {"containerd.io/gc.root": "2024-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with short_directory() as directory, Containerd(directory / "c").running() as containerd:
        yield containerd.address


@pytest.fixture(params=["overlayfs", "native"])
def snapshotter(request: pytest.FixtureRequest, address: str) -> Iterator[Snapshotter]:
    with Client(address, timeout=120, namespace="default") as client:
        yield client.snapshotter(request.param)


def test_the_layer_is_that_of_the_same_trees_elsewhere(
    snapshotter: Snapshotter, address: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.params["snapshotter"]
    with temporary_mount(snapshotter.prepare("work", labels=KEEP)) as root:
        (Path(root) / "old").touch()
    snapshotter.commit("base", "work", KEEP)
    with temporary_mount(snapshotter.prepare("app", "base", KEEP)) as root:
        (Path(root) / "old").unlink()
        (Path(root) / "new").write_text("1")
    before = {info.name for info in snapshotter.walk()}
    file = tmp_path / "layer.tar"
    run(LAMINA, "snapshots", "-a", address, "-n", "default", "--snapshotter", name, "diff", "app", "-o", str(file))
    assert tar.read(file.read_bytes()).names == [b".wh.old", b"new"]
    assert {info.name for info in snapshotter.walk()} == before
