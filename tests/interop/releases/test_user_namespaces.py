"""Containers in a user namespace: their files have the owners that the image gives them."""

from __future__ import annotations

import pytest
from containerds import Containerd
from images import OWNED, TEMPLATES
from releases import Release

NAMESPACE = ("--uidmap", "0:100000:65536", "--gidmap", "0:300000:65536")
OWNERS = ("sh", "-c", f"> /new && exec stat -c %u:%g /bin {TEMPLATES}/note /new")
RIGHT = ["0:0", "{}:{}".format(*OWNED), "0:0"]


@pytest.mark.capability("`ctr run --uidmap` (a copy of the image is chowned)")
def test_containerd_chowns_a_copy(containerd: Containerd, snapshotter: str, image: str) -> None:
    assert containerd.run(image, snapshotter, *OWNERS, options=NAMESPACE).split() == RIGHT


@pytest.mark.capability("`ctr run --uidmap --remap-labels`")
def test_labels_map_the_owners_or_have_containerd_chown_a_copy(
    containerd: Containerd, release: Release, snapshotter: str, image: str
) -> None:
    if release.version < (2, 0):
        pytest.skip(f"containerd {release.upstream} can mount no mapped snapshot")
    assert containerd.run(image, snapshotter, *OWNERS, options=(*NAMESPACE, "--remap-labels")).split() == RIGHT
