"""containerd's own command line against lamina's socket."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.commands import CommandFailed
from tests.support.interop.containerds import ctr
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay", "ctr")

Snapshots = Callable[..., str]
"""`ctr snapshots`, with the arguments that follow."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("ctr") / "h").running() as host:
        yield host


@pytest.fixture(params=["overlayfs", "lamina", "lamina-overlayfs"])
def name(request: pytest.FixtureRequest) -> str:
    """Each of the overlay snapshotter's names."""
    name: str = request.param
    return name


@pytest.fixture
def snapshots(host: Host, name: str) -> Iterator[Snapshots]:
    """`ctr snapshots` by one of the names, under which there is no snapshot yet."""
    yield lambda *arguments: ctr(host.address, "snapshots", "--snapshotter", name, *arguments)
    with host.client() as client:
        snapshotter = client.snapshotter(name)
        while infos := list(snapshotter.walk()):
            for leaf in {info.name for info in infos} - {info.parent for info in infos}:
                snapshotter.remove(leaf)


@pytest.fixture
def layers(host: Host, name: str, snapshots: Snapshots) -> Snapshots:
    """As `snapshots`, with some: `base`, on it `top`, on that the active `a` and the view `v`."""
    with host.client() as client:
        snapshotter = client.snapshotter(name)
        snapshotter.prepare("base-key")
        snapshotter.commit("base", "base-key")
        snapshotter.prepare("top-key", "base")
        snapshotter.commit("top", "top-key")
        snapshotter.prepare("a", "top")
        snapshotter.view("v", "top")
    return snapshots


def lines(text: str) -> list[str]:
    """Without the blanks that pad the last column."""
    return [line.rstrip() for line in textwrap.dedent(text).strip("\n").splitlines()]


def test_plugins_are_listed_with_type_id_platforms_and_status(host: Host) -> None:
    header, *rows = [line.split() for line in ctr(host.address, "plugins", "ls").splitlines()]
    assert header == ["TYPE", "ID", "PLATFORMS", "STATUS"]
    assert {tuple(row[:2]) for row in rows} >= {
        ("io.lamina.metastore.v1", "lmdb"),
        ("io.containerd.snapshotter.v1", "overlayfs"),
        ("io.containerd.snapshotter.v1", "native"),
        ("io.containerd.service.v1", "snapshots-service"),
        ("io.containerd.grpc.v1", "snapshots"),
        ("io.containerd.grpc.v1", "introspection"),
        ("io.containerd.grpc.v1", "version"),
        ("io.containerd.grpc.v1", "healthcheck"),
    }
    statuses = {row[1]: row[3] for row in rows}
    assert statuses.pop("btrfs") in {"ok", "skip"}  # by the file system of the data root
    assert statuses.pop("metrics") == "skip"  # it has no address
    assert set(statuses.values()) == {"ok"}


def test_a_plugin_is_shown_in_detail(host: Host) -> None:
    text = ctr(host.address, "plugins", "ls", "--detailed", "id==overlayfs")
    assert text.count("Type:") == 1
    assert re.search(r"^Type: +io\.containerd\.snapshotter\.v1$", text, re.MULTILINE)
    assert re.search(r"^ID: +overlayfs$", text, re.MULTILINE)
    assert re.search(r"^Requires: +\n +io\.lamina\.metastore\.v1$", text, re.MULTILINE)
    assert re.search(rf"^ +root +{host.overlay}$", text, re.MULTILINE)
    assert re.search(r"^Capabilities: +.*\brebase\b", text, re.MULTILINE)


def test_version_is_that_of_the_server(host: Host) -> None:
    server = ctr(host.address, "version").partition("Server:")[2]
    found = dict(re.findall(r"^ +(\w+): +(\S+)$", server, re.MULTILINE))
    assert found["Version"].removeprefix("v") == version("lamina")
    assert str(uuid.UUID(found["UUID"])) == found["UUID"]


def test_no_snapshots_are_an_empty_list(snapshots: Snapshots) -> None:
    assert lines(snapshots("list")) == ["KEY PARENT KIND"]
    assert lines(snapshots("usage")) == ["KEY SIZE INODES"]
    assert snapshots("tree") == ""


def test_list_shows_key_parent_and_kind(layers: Snapshots) -> None:
    assert lines(layers("list")) == lines("""
        KEY  PARENT KIND
        a    top    Active
        base        Committed
        top  base   Committed
        v    top    View
    """)


def test_tree_shows_snapshots_below_their_parents(layers: Snapshots) -> None:
    assert layers("tree").splitlines() == [r" base", r"  \_ top", r"    \_ a", r"    \_ v"]


def test_prepare_and_view_show_the_mounts_as_json(layers: Snapshots, host: Host) -> None:
    (bind,) = json.loads(layers("prepare", "--mounts", "empty"))
    assert bind["Type"] == "bind"
    assert Path(bind["Source"]).parent.parent == host.overlay / "snapshots"
    assert bind["Options"] == ["rw", "rbind"]

    (bind,) = json.loads(layers("view", "--mounts", "one", "base"))
    assert (bind["Type"], bind["Options"]) == ("bind", ["ro", "rbind"])

    (overlay,) = json.loads(layers("prepare", "--mounts", "two", "top"))
    assert (overlay["Type"], overlay["Source"]) == ("overlay", "overlay")
    work, upper, lower, *_ = overlay["Options"]
    assert [option.partition("=")[0] for option in (work, upper, lower)] == ["workdir", "upperdir", "lowerdir"]
    assert len(lower.split(":")) == 2


def test_the_mount_command_that_is_printed_mounts_the_snapshot(layers: Snapshots, tmp_path: Path) -> None:
    target = tmp_path / "mnt"
    target.mkdir()
    command = layers("mounts", str(target), "a")
    assert layers("prepare", "--target", str(target), "other", "top").startswith("mount -t overlay overlay ")

    subprocess.run(command.split(), check=True)
    try:
        (target / "file").write_text("written")
    finally:
        subprocess.run(["umount", target], check=True)
    layers("commit", "written", "a")
    (mount,) = json.loads(layers("view", "--mounts", "look", "written"))
    uppermost = mount["Options"][0].removeprefix("lowerdir=").split(":")[0]
    assert Path(uppermost, "file").read_text() == "written"


def test_commit_replaces_the_key_by_the_name(layers: Snapshots) -> None:
    layers("commit", "c", "a")
    info = json.loads(layers("info", "c"))
    assert (info["Name"], info["Kind"], info["Parent"]) == ("c", "Committed", "top")
    with pytest.raises(CommandFailed, match=": not found"):
        layers("info", "a")


def test_info_is_json_with_times_and_ctrs_own_label(layers: Snapshots) -> None:
    layers("prepare", "b", "top")
    info = json.loads(layers("info", "b"))
    assert (info["Name"], info["Kind"], info["Parent"]) == ("b", "Active", "top")
    assert list(info["Labels"]) == ["containerd.io/gc.root"]
    assert info["Created"] == info["Updated"]
    assert "Parent" not in json.loads(layers("info", "base"))


def test_usage_measures_an_active_snapshot_now(layers: Snapshots) -> None:
    (mount,) = json.loads(layers("prepare", "--mounts", "b"))
    with open(f"{mount['Source']}/file", "wb") as file:
        file.write(b"x" * 1_000_000)
        os.fsync(file.fileno())  # else not all of it is allocated yet
    header, row = [line.split() for line in layers("usage", "-b", "b").splitlines()]
    assert header == ["KEY", "SIZE", "INODES"]
    assert (row[0], row[2]) == ("b", "2")
    assert int(row[1]) >= 1_000_000
    assert layers("usage", "v").splitlines()[1].split() == ["v", "0.0", "B", "0"]
    assert [line.split()[0] for line in layers("usage").splitlines()[1:]] == ["a", "b", "base", "top", "v"]


def test_labels_are_set_deleted_and_shown(layers: Snapshots) -> None:
    def labels(*arguments: str) -> set[str]:
        printed = layers("label", "v", *arguments).strip()
        return set(printed.split(",")) if printed else set()

    assert labels() == set()
    assert labels("x=1", "y/z.w=2", "flag") == {"x=1", "y/z.w=2", "flag=true"}
    assert labels("x=3", "flag=") == {"x=3", "y/z.w=2"}
    assert labels() == {"x=3", "y/z.w=2"}


def test_delete_takes_leaves_only(layers: Snapshots) -> None:
    with pytest.raises(CommandFailed, match=r'failed to remove "top": .*: failed precondition'):
        layers("delete", "top", "a")
    layers("delete", "a", "v", "top", "base")
    assert lines(layers("list")) == ["KEY PARENT KIND"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prepare", "a"), "already exists"),
        (("view", "base"), "already exists"),
        (("prepare", "new", "missing"), "not found"),
        (("prepare", "new", "a"), "invalid argument"),
        (("commit", "base", "a"), "already exists"),
        (("commit", "new", "v"), "failed precondition"),
        (("commit", "new", "missing"), "not found"),
        (("mounts", "/mnt", "base"), "failed precondition"),
        (("usage", "missing"), "not found"),
        (("label", "missing", "a=b"), "not found"),
        (("delete", "missing"), "not found"),
    ],
)
def test_what_cannot_be_done_is_refused_with_containerds_words(
    layers: Snapshots, arguments: tuple[str, ...], message: str
) -> None:
    before = layers("list")
    with pytest.raises(CommandFailed, match=f": {message}\n"):
        layers(*arguments)
    assert layers("list") == before


def test_an_unknown_snapshotter_is_an_invalid_argument(host: Host) -> None:
    with pytest.raises(CommandFailed, match=r"snapshotter not loaded: none.*: invalid argument"):
        ctr(host.address, "snapshots", "--snapshotter", "none", "info", "k")


def test_each_name_is_a_keyspace(host: Host) -> None:
    for name in ("overlayfs", "lamina", "lamina-overlayfs"):
        ctr(host.address, "snapshots", "--snapshotter", name, "prepare", "k")
    ctr(host.address, "snapshots", "--snapshotter", "lamina", "delete", "k")
    for name, keys in (("overlayfs", ["k"]), ("lamina", []), ("lamina-overlayfs", ["k"])):
        listed = ctr(host.address, "snapshots", "--snapshotter", name, "list")
        assert [line.split()[0] for line in listed.splitlines()[1:]] == keys
        for key in keys:
            ctr(host.address, "snapshots", "--snapshotter", name, "delete", key)
