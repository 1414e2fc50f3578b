"""Pulls to a full disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.errdefs import ResourceExhausted
from lamina.images.documents import Platform
from tests.support.disks.full_disks import fill, mounted
from tests.support.images import Documents
from tests.support.images.built import layer
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.registries.hosts import pulling_host
from tests.support.registries.seeding import noise, seed_documents

pytestmark = pytest.mark.requires("root", "loop", "overlay", "mkfs.ext4", "docker-registry")

ROOM = 4 << 20
"""Bytes that are free: fewer than a layer takes."""


def test_a_pull_for_which_there_is_no_room_gives_its_space_back(tmp_path: Path) -> None:
    made = Documents()
    image = made.manifest(Platform.host(), "", layer({"1": noise(6_000_000)}), layer({"2": noise(6_000_000, 2)}))
    with (
        mounted(tmp_path, "ext4") as disk,
        DockerRegistry(tmp_path / "registry").running() as registry,
        pulling_host(disk) as host,
    ):
        seed_documents(registry, "image", made, image, "1")
        name = f"{registry.host}/image:1"
        filler = fill(disk)
        os.truncate(filler, filler.stat().st_size - ROOM)
        with pytest.raises(ResourceExhausted):
            host.transfer.pull(name)
        assert host.names() == []
        assert [status.offset for status in host.content.statuses() if status.offset] == []
        filler.unlink()
        (pulled,) = host.transfer.pull(name).images
        assert host.transfer.resolve(pulled.name).image == pulled
        assert list(host.content.statuses()) == []
