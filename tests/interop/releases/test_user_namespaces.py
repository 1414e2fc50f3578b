"""Containers in a user namespace: their files have the owners that the image gives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import tar
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd
from tests.support.interop.images import IMAGE, OWNED, TEMPLATES
from tests.support.interop.nodes import unpack_config
from tests.support.interop.releases import Release
from tests.support.processes.hosts import Host

NAMESPACE = ("--uidmap", "0:100000:65536", "--gidmap", "0:300000:65536")
OWNERS = ("sh", "-c", f"> /new && exec stat -c %u:%g /bin {TEMPLATES}/note /new")
RIGHT = ["0:0", "{}:{}".format(*OWNED), "0:0"]
BARE = "lamina-overlayfs"


def skip_where_labels_map_nothing(release: Release) -> None:
    if release.version < (1, 7):
        pytest.skip(f"containerd {release.upstream} neither chowns a copy for labels nor mounts what is mapped")


@pytest.mark.capability("`ctr run --uidmap` (a copy of the image is chowned)")
def test_containerd_chowns_a_copy(containerd: Containerd, snapshotter: str, image: str) -> None:
    assert containerd.run(image, snapshotter, *OWNERS, options=NAMESPACE).split() == RIGHT


@pytest.mark.capability("`ctr run --uidmap --remap-labels`")
def test_labels_map_the_owners_or_have_containerd_chown_a_copy(
    containerd: Containerd, release: Release, snapshotter: str, image: str
) -> None:
    skip_where_labels_map_nothing(release)
    assert containerd.run(image, snapshotter, *OWNERS, options=(*NAMESPACE, "--remap-labels")).split() == RIGHT


@pytest.mark.parametrize("snapshotter", ["lamina"])
def test_what_a_container_writes_is_compared_with_the_owners_that_it_sees(
    containerd: Containerd, release: Release, host: Host, image: str, tmp_path: Path
) -> None:
    if release.version < (2, 0):
        pytest.skip(f"containerd {release.upstream} does not mount what is mapped")
    options = (*NAMESPACE, "--remap-labels")
    container = containerd.start_container(image, "lamina", "sleep", "inf", options=options)
    try:
        change = f"> /new && chown 5:6 /new && chmod 600 {TEMPLATES}/note"
        containerd.execute(container, "sh", "-c", change)
        (key,) = [key for key in host.keys("lamina") if key.endswith(f"/{container}")]
        layer = tmp_path / "layer.tar"
        host.lamina("snapshots", "--snapshotter", "lamina", "diff", key, "-o", str(layer))
    finally:
        containerd.remove_container(container)
    owners = {entry.name.decode(): (entry.uid, entry.gid) for entry in tar.read(layer.read_bytes()).entries}
    assert owners["new"] == (5, 6)
    assert owners[f"{TEMPLATES[1:]}/note"] == OWNED
    assert owners["usr/"] == (0, 0)


@pytest.fixture
def bare(release: Release, host: Host) -> Iterator[Containerd]:
    """A containerd whose table says no more than where lamina is."""
    skip_where_labels_map_nothing(release)
    with short_directory() as directory:
        directory.chmod(0o711)
        tables = unpack_config(release, BARE)
        containerd = Containerd(directory / "c", {BARE: host.address}, stanzas=tables, release=release)
        with containerd.running():
            yield containerd


def test_owners_are_not_mapped_twice_where_containerd_knows_no_capabilities(
    bare: Containerd, archive: Path
) -> None:
    """It knows of no capabilities, chowns a copy, and prepares a snapshot on that with the same labels."""
    bare.import_image(archive, BARE)
    assert bare.run(IMAGE, BARE, *OWNERS, options=(*NAMESPACE, "--remap-labels")).split() == RIGHT
