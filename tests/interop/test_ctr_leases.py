"""containerd's own command line against the leases of lamina."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.errdefs import NotFound
from lamina.metadata import Resource
from tests.support.commands import CommandFailed
from tests.support.images.archives import write_directory
from tests.support.images.built import layer
from tests.support.images.layouts import DEBIAN as NAME
from tests.support.images.layouts import debian
from tests.support.interop.containerds import ctr
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay", "ctr")

CONFIG = """\
[plugins."io.containerd.gc.v1.scheduler"]
grace = "0s"
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Host(tmp_path_factory.mktemp("ctr") / "h", CONFIG).running() as host, host.client() as client:
        yield client


@pytest.fixture(autouse=True)
def no_leases(client: Client) -> Iterator[None]:
    yield
    for lease in list(client.leases().list()):
        client.leases().delete(lease.id)


def test_a_lease_is_created_listed_and_removed(client: Client) -> None:
    assert ctr(client.address, "leases", "create", "--id", "mine", "team=a") == "mine\n"
    header, row = ctr(client.address, "leases", "ls").splitlines()
    assert header.split() == ["ID", "CREATED", "AT", "LABELS"]
    id_, created, labels = row.split()
    assert (id_, created[:2]) == ("mine", "20")
    assert "team=a" in labels
    assert "containerd.io/gc.expire=" in labels
    (lease,) = client.leases().list()
    assert (lease.id, lease.labels["team"]) == ("mine", "a")
    ctr(client.address, "leases", "rm", "mine")
    assert list(client.leases().list()) == []


def test_ids_are_chosen_by_whoever_creates(client: Client) -> None:
    id_ = ctr(client.address, "leases", "create").strip()
    assert client.leases().get(id_).id == id_
    assert ctr(client.address, "leases", "ls", "--quiet").split() == [id_]


def test_an_id_is_taken_once(client: Client) -> None:
    ctr(client.address, "leases", "create", "--id", "mine")
    with pytest.raises(CommandFailed, match="already exists"):
        ctr(client.address, "leases", "create", "--id", "mine")


def test_each_namespace_has_its_leases(client: Client) -> None:
    ctr(client.address, "leases", "create", "--id", "mine")
    assert ctr(client.address, "--namespace", "other", "leases", "ls", "--quiet") == ""


def test_an_unexpired_lease_keeps_a_blob_until_it_is_removed_synchronously(client: Client, tmp_path: Path) -> None:
    layout = write_directory(tmp_path / "layout", debian(layer({"etc/motd": "hello\n"})))
    client.transfer().import_(str(layout), unpack=False)
    digest = client.images().get(NAME).target.digest
    ctr(client.address, "leases", "create", "--id", "mine")
    client.leases().add("mine", Resource("content", digest))
    assert list(client.leases().resources("mine")) == [Resource("content", digest)]

    ctr(client.address, "images", "rm", "--sync", NAME)
    assert client.content().info(digest).digest == digest

    ctr(client.address, "leases", "rm", "--sync", "mine")
    with pytest.raises(NotFound):
        client.content().info(digest)


def test_an_image_is_tagged_in_a_lease(client: Client, tmp_path: Path) -> None:
    layout = write_directory(tmp_path / "layout", debian(layer({"etc/motd": "hello\n"})))
    client.transfer().import_(str(layout), unpack=False)
    ctr(client.address, "images", "tag", NAME, "docker.io/library/mine:latest")
    assert client.images().get("docker.io/library/mine:latest").target == client.images().get(NAME).target
    assert list(client.leases().list()) == []
    ctr(client.address, "images", "rm", NAME, "docker.io/library/mine:latest")
