"""Images whose layers containerd unpacks side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.testing import Tree, differences, read_tree
from tests.support.directories import short_directory
from tests.support.interop import registry
from tests.support.interop.containerds import Containerd
from tests.support.interop.nodes import unpack_config
from tests.support.interop.releases import Release
from tests.support.processes.hosts import Host

NAME = "side-by-side"
CONFIG = """
[debug]
level = "debug"
[plugins."io.containerd.transfer.v1.local"]
max_concurrent_unpacks = 4
"""


@pytest.fixture
def containerd(release: Release, host: Host) -> Iterator[Containerd]:
    """One that unpacks four layers at a time."""
    if release.version < (2, 2):
        pytest.skip(f"containerd {release.upstream} unpacks layer after layer")
    stanzas = host.lamina("containerd-config", "--containerd-version", release.upstream, NAME)
    stanzas += CONFIG + unpack_config(release, NAME)
    with short_directory() as directory:
        daemon = Containerd(directory / "c", stanzas=stanzas, release=release)
        with daemon.running():
            yield daemon


@pytest.mark.capability("`ctr images pull`, layers side by side")
def test_what_a_layer_deletes_of_those_below_is_gone(
    containerd: Containerd, archive: Path, tree: Tree, tmp_path: Path
) -> None:
    target = tmp_path / "mnt"
    with registry.serving(archive.parent / "layout") as image:
        containerd.ctr("images", "pull", "--plain-http", "--snapshotter", NAME, image)
    assert "parallel=true" in containerd.stderr
    with containerd.mounted_image(image, NAME, target):
        assert differences(read_tree(target, times=False), tree) == []
