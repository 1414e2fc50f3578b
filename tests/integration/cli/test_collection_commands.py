"""`lamina images prune`, `df` and `why`, and `lamina content prune`, against running hosts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.images.documents import chain_ids
from lamina.metadata import Resource
from tests.integration.cli.conftest import Lamina
from tests.support.blobs import digest_of
from tests.support.images.archives import write_directory
from tests.support.images.built import layer
from tests.support.images.layouts import DEBIAN as NAME
from tests.support.images.layouts import debian
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

BASE, UPPER = layer({"etc/os-release": "12\n"}), layer({"etc/motd": "hello\n"})
OTHER = layer({"other": "x" * 5000})
CHAIN = chain_ids([digest_of(BASE), digest_of(UPPER)])
SNAPSHOTS = "overlayfs/images/default"
PROMPT = '[plugins."io.containerd.gc.v1.scheduler"]\ngrace = "0s"\n'


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that keeps nothing because it is young."""
    with Host(tmp_path_factory.mktemp("prompt") / "h", PROMPT).running() as host:
        yield host


@pytest.fixture
def lamina(prompt: Host) -> Iterator[Lamina]:
    """Runs `lamina` against a host without images and snapshots."""
    lamina = Lamina(prompt.address)
    yield lamina
    with prompt.client() as client:
        for image in list(client.images().list()):
            client.images().delete(image.name)
        for lease in list(client.leases().list()):
            client.leases().delete(lease.id)
        for name in ("active", "view"):
            if name in prompt.keys(SNAPSHOTS):
                client.snapshotter(SNAPSHOTS).remove(name)
        list(client.collector().collect())
        assert list(client.content().walk()) == []
        assert prompt.keys(SNAPSHOTS) == []


@pytest.fixture
def client(prompt: Host) -> Iterator[Client]:
    with prompt.client() as client:
        yield client


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout with the image `NAME` of two layers."""
    return write_directory(tmp_path / "layout", debian(BASE, UPPER))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A layout with an image that shares its lowest layer."""
    return write_directory(tmp_path / "other", debian(BASE, OTHER))


def test_prune_removes_what_only_a_removed_name_needed(lamina: Lamina, client: Client, layout: Path) -> None:
    client.transfer().import_(str(layout))
    assert lamina("images", "prune") == "removed nothing\n"
    client.images().delete(NAME)
    *table, summary = lamina("images", "prune").splitlines()
    assert table[0].split() == ["OUTCOME", "KIND", "NAME", "IN", "SIZE", "REASON"]
    rows = [row.split()[:4] for row in table[1:]]
    assert sorted(row for row in rows if row[1] == "snapshot") == sorted(
        ["removed", "snapshot", name, SNAPSHOTS] for name in CHAIN
    )
    assert [row[3] for row in rows if row[1] == "blob"] == ["-"] * 4
    assert summary.startswith("removed 4 blobs, 2 snapshots, ")
    assert list(client.content().walk()) == list(client.snapshotter(SNAPSHOTS).walk()) == []


def test_a_dry_run_tells_what_prune_would_remove(lamina: Lamina, client: Client, layout: Path) -> None:
    client.transfer().import_(str(layout))
    client.images().delete(NAME)
    *table, summary = lamina("images", "prune", "--dry-run").splitlines()
    assert {row.split()[0] for row in table[1:]} == {"unused"}
    assert summary.startswith("would remove 4 blobs, 2 snapshots, ")
    planned = json.loads(lamina("images", "prune", "--dry-run", "--json"))
    assert {one["Outcome"] for one in planned} == {"unused"}
    assert len(list(client.content().walk())) == 4
    removed = json.loads(lamina("images", "prune", "--json"))
    assert {one["Outcome"] for one in removed} == {"removed"}
    assert [(one["Kind"], one["Name"], one["Size"], one["Reason"]) for one in removed] == [
        (one["Kind"], one["Name"], one["Size"], one["Reason"]) for one in planned
    ]
    assert all(one["Reason"] for one in removed)


def test_prune_keeps_what_another_image_shares(lamina: Lamina, client: Client, layout: Path, other: Path) -> None:
    client.transfer().import_(str(layout))
    client.transfer().import_(str(other), names=["other"])
    client.images().delete(NAME)
    removed = json.loads(lamina("images", "prune", "--json"))
    assert [one["Name"] for one in removed if one["Kind"] == "snapshot"] == [CHAIN[1]]
    lamina("content", "verify")
    assert client.transfer().unpack("other").chain_id in {
        info.name for info in client.snapshotter(SNAPSHOTS).walk()
    }


def test_prune_covers_all_namespaces(lamina: Lamina, client: Client, layout: Path) -> None:
    with use(CallContext(namespace="k8s.io")):
        client.transfer().import_(str(layout))
        client.images().delete(NAME)
    said = lamina("images", "-n", "k8s.io", "prune", code=2)
    assert "namespaces share blobs, so prune covers all of them: leave out --namespace" in said
    removed = json.loads(lamina("images", "prune", "--json"))
    assert {one["Namespace"] for one in removed if one["Kind"] == "snapshot"} == {"k8s.io"}


def test_active_snapshots_and_views_are_kept_with_what_they_are_on(
    lamina: Lamina, client: Client, layout: Path
) -> None:
    client.transfer().import_(str(layout))
    client.images().delete(NAME)
    client.snapshotter(SNAPSHOTS).prepare("active", CHAIN[0])
    removed = json.loads(lamina("images", "prune", "--json"))
    assert [one["Name"] for one in removed if one["Kind"] == "snapshot"] == [CHAIN[1]]
    assert {info.name for info in client.snapshotter(SNAPSHOTS).walk()} == {CHAIN[0], "active"}


def test_snapshots_of_the_command_line_are_kept_by_a_label(lamina: Lamina, client: Client) -> None:
    snapshots = ("snapshots", "--snapshotter", SNAPSHOTS)
    lamina(*snapshots, "prepare", "active")
    assert "containerd.io/gc.root" in client.snapshotter(SNAPSHOTS).stat("active").labels
    lamina(*snapshots, "commit", "--label", "a=b", "mine", "active")
    labels = client.snapshotter(SNAPSHOTS).stat("mine").labels
    assert (labels["a"], len(labels)) == ("b", 2)
    lamina("images", "prune")
    assert [info.name for info in client.snapshotter(SNAPSHOTS).walk()] == ["mine"]
    lamina(*snapshots, "label", "mine", "containerd.io/gc.root=")
    removed = json.loads(lamina("images", "prune", "--json"))
    assert [one["Name"] for one in removed] == ["mine"]


def test_plain_snapshots_are_not_labelled(lamina: Lamina, client: Client) -> None:
    lamina("snapshots", "--snapshotter", "overlayfs", "prepare", "plain")
    assert client.snapshotter("overlayfs").stat("plain").labels == {}
    client.snapshotter("overlayfs").remove("plain")


def test_prune_of_content_removes_blobs_alone(lamina: Lamina, client: Client, layout: Path) -> None:
    client.transfer().import_(str(layout))
    client.images().delete(NAME)
    assert lamina("content", "prune", "--dry-run").splitlines()[-1].startswith("would remove 4 blobs, ")
    assert lamina("content", "prune").splitlines()[-1].startswith("removed 4 blobs, ")
    assert {info.name for info in client.snapshotter(SNAPSHOTS).walk()} == set(CHAIN)


def test_what_is_young_is_kept_and_named(tmp_path: Path, layout: Path) -> None:
    with Host(tmp_path / "h").running() as host, host.client() as client:
        lamina = Lamina(host.address)
        client.transfer().import_(str(layout))
        client.snapshotter(SNAPSHOTS).prepare("a")
        client.snapshotter(SNAPSHOTS).commit("fresh", "a")
        header, row, removed, kept = lamina("images", "prune").splitlines()
        assert header.startswith("OUTCOME")
        assert row.split()[:4] == ["young", "snapshot", "fresh", SNAPSHOTS]
        assert removed == "removed nothing"
        assert kept.startswith("kept, because it is young: 1 snapshot, ")
        (one,) = json.loads(lamina("images", "prune", "--json"))
        assert (one["Outcome"], one["Name"]) == ("young", "fresh")
        assert "fresh" in host.keys(SNAPSHOTS)


def test_what_an_import_made_goes_with_its_name_however_young(tmp_path: Path, layout: Path) -> None:
    with Host(tmp_path / "h").running() as host, host.client() as client:
        lamina = Lamina(host.address)
        client.transfer().import_(str(layout))
        client.images().delete(NAME)
        assert lamina("images", "prune").splitlines()[-1].startswith("removed 4 blobs, 2 snapshots, ")


def test_collections_happen_by_themselves_in_intervals(tmp_path: Path, layout: Path) -> None:
    with Host(tmp_path / "h").running() as host, host.client() as client:
        client.transfer().import_(str(layout))
        client.images().delete(NAME)
        host.configure(f'{PROMPT}interval = "10ms"\n')
        host.reload()
        wait_until(lambda: not list(client.content().walk()), 60, "the blobs are gone")
        wait_until(lambda: 'msg="collected garbage"' in host.stderr, 60, "it is logged")


def test_a_fork_on_a_snapshotter_that_is_disabled_keeps_its_image_alone(
    tmp_path: Path, layout: Path, other: Path
) -> None:
    host = Host(tmp_path / "h", PROMPT)
    with host.running() as running, running.client() as client:
        lamina = Lamina(host.address)
        client.transfer().import_(str(layout), snapshotter="native")
        client.transfer().import_(str(other), names=["other"])
        target = client.images().get(NAME).target.digest
        labels = {"containerd.io/gc.ref.content.base": target}
        client.snapshotter("native/images/default").prepare("fork", CHAIN[-1], labels)
        host.stop()
        host.file.write_text(
            'disabled_plugins = ["io.containerd.snapshotter.v1.native"]\n' + host.file.read_text()
        )
        host.start()
        for image in list(client.images().list()):
            client.images().delete(image.name)
        assert lamina("images", "why", target).splitlines() == [
            "snapshot fork in native/images/default: its snapshotter is not used at present",
            f"  blob {target}: label containerd.io/gc.ref.content.base",
        ]
        assert lamina("images", "prune").splitlines()[-1].startswith("removed 3 blobs, 2 snapshots, ")
        kept = {info.digest for info in client.content().walk()}
        assert target in kept
        assert len(kept) == 4


def test_df_shows_own_and_shared_bytes(lamina: Lamina, client: Client, layout: Path, other: Path) -> None:
    client.transfer().import_(str(layout))
    alone = json.loads(lamina("images", "df", "--json"))
    (image,) = alone["Images"]
    assert (image["Namespace"], image["Name"]) == ("default", NAME)
    blobs = sum(info.size for info in client.content().walk())
    assert (image["Own"]["Content"], image["Shared"]["Content"]) == (blobs, 0)
    assert alone["Content"] == blobs
    snapshots = sum(client.snapshotter(SNAPSHOTS).usage(name).size for name in CHAIN)
    assert (image["Own"]["Snapshots"], alone["Snapshots"]) == (snapshots, snapshots)
    assert alone["Reclaimable"] == 0
    header, row, total = lamina("images", "df").splitlines()
    assert header.split() == ["NAMESPACE", "NAME", "OWN", "SHARED"]
    assert row.split()[:2] == ["default", NAME]
    assert total.endswith("; all of that is used")

    with use(CallContext(namespace="k8s.io")):
        client.transfer().import_(str(other), names=["other"])
    both = json.loads(lamina("images", "df", "--json"))["Images"]
    assert [image["Namespace"] for image in both] == ["default", "k8s.io"]
    assert both[0]["Shared"]["Content"] == both[1]["Shared"]["Content"] > 0
    (found,) = json.loads(lamina("images", "-n", "k8s.io", "df", "--json"))["Images"]
    assert found["Name"] == "docker.io/library/other:latest"

    with use(CallContext(namespace="k8s.io")):
        client.images().delete(found["Name"])
    freed = json.loads(lamina("images", "df", "--json"))["Reclaimable"]
    removed = json.loads(lamina("images", "prune", "--json"))
    assert freed == sum(one["Size"] for one in removed) > 0


def test_why_follows_references_from_the_name_of_an_image(lamina: Lamina, client: Client, layout: Path) -> None:
    client.transfer().import_(str(layout))
    image = client.transfer().resolve("debian:12")
    (chain,) = json.loads(lamina("images", "why", "--json", image.layers[1].digest))
    assert [(step["Kind"], step["Name"]) for step in chain] == [
        ("image", NAME), ("blob", image.manifest.digest), ("blob", image.layers[1].digest),
    ]  # fmt: skip
    (chain,) = json.loads(lamina("images", "why", "--json", CHAIN[0]))
    assert [(step["Kind"], step["Name"]) for step in chain] == [
        ("image", NAME), ("blob", image.manifest.digest), ("blob", image.config.digest),
        ("snapshot", CHAIN[1]), ("snapshot", CHAIN[0]),
    ]  # fmt: skip
    shown = lamina("images", "why", CHAIN[0]).splitlines()
    assert len(shown) == 5
    assert shown[0] == f"image {NAME} in default"
    assert shown[4].startswith(f"  snapshot {CHAIN[0]} in {SNAPSHOTS}: ")
    assert lamina("images", "why", f"overlayfs/{CHAIN[0]}").splitlines() == shown
    assert lamina("images", "why", "debian:12") == f"image {NAME} in default\n"


def test_why_names_leases(lamina: Lamina, client: Client, layout: Path) -> None:
    client.transfer().import_(str(layout))
    digest = client.transfer().resolve("debian:12").layers[0].digest
    client.leases().create("mine")
    client.leases().add("mine", Resource("content", digest))
    client.images().delete(NAME)
    (chain,) = json.loads(lamina("images", "why", "--json", digest))
    assert [(step["Kind"], step["Name"]) for step in chain] == [("lease", "mine"), ("blob", digest)]


def test_why_says_that_nothing_keeps_a_thing(lamina: Lamina, client: Client, layout: Path) -> None:
    client.transfer().import_(str(layout))
    digest = client.images().get(NAME).target.digest
    client.images().delete(NAME)
    assert lamina("images", "why", digest) == f"nothing keeps {digest}: lamina images prune removes it\n"
    assert json.loads(lamina("images", "why", "--json", digest)) == []


def test_why_of_nothing_is_an_error(lamina: Lamina) -> None:
    said = lamina("images", "why", "nothing", code=1)
    assert said == "lamina: no image, blob or snapshot 'nothing' in namespace 'default'\n"


def test_an_ingest_that_nobody_writes_is_removed(tmp_path: Path) -> None:
    host = Host(tmp_path / "h", PROMPT)
    root = host.root / "io.containerd.content.v1.content"
    root.parent.mkdir(mode=0o700)
    with contextlib.closing(LocalContentStore(str(root))) as store, store.writer("left behind") as writer:
        writer.write(b"some of it")
    with host.running():
        lamina = Lamina(host.address)
        assert lamina("images", "prune") == "removed nothing\n"
        assert lamina("content", "prune").splitlines()[-1] == "removed 1 ingest, 10 B"
        assert lamina("content", "prune") == "removed nothing\n"
