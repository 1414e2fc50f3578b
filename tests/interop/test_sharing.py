"""Two containerds and the command line on one lamina.

containerd's garbage collection removes from a snapshotter what it does not know. So each user has a keyspace.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.snapshots import Info
from tests.support.interop.containerds import Containerd
from tests.support.interop.images import IMAGE, TEMPLATES
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires(
    "root", "overlay", "containerd", "ctr", "runc", "umoci", "skopeo", "busybox-static"
)

CONFIG = """\
[plugins."io.containerd.grpc.v1.snapshots".aliases]
one = "overlayfs"
two = "overlayfs"
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Host(tmp_path / "h", CONFIG).running() as host:
        yield host


@pytest.fixture
def one(host: Host, tmp_path: Path, archive: Path) -> Iterator[Containerd]:
    with Containerd(tmp_path / "one", {"one": host.address}).running() as containerd:
        containerd.import_image(archive, "one")
        yield containerd


@pytest.fixture
def two(host: Host, tmp_path: Path, archive: Path) -> Iterator[Containerd]:
    with Containerd(tmp_path / "two", {"two": host.address}).running() as containerd:
        containerd.import_image(archive, "two")
        yield containerd


def infos(host: Host, name: str) -> list[Info]:
    with host.client() as client:
        return list(client.snapshotter(name).walk())


def put_stray(host: Host, name: str) -> None:
    """Make a snapshot that no containerd knows, though ctr asked for its being kept."""
    with host.client() as client:
        client.snapshotter(name).prepare("stray", labels={"containerd.io/gc.root": "2026-01-01T00:00:00Z"})


def collect(containerd: Containerd, host: Host, name: str) -> None:
    """Delete the image, and wait until containerd's garbage collection has emptied its keyspace."""
    containerd.remove_image(IMAGE)
    wait_until(lambda: not infos(host, name), 120, f"containerd has removed what it does not know from {name}")


def test_garbage_collection_of_one_containerd_touches_nothing_of_the_others(
    host: Host, one: Containerd, two: Containerd
) -> None:
    host.lamina("snapshots", "prepare", "build")
    host.lamina("snapshots", "commit", "base", "build")
    host.lamina("snapshots", "prepare", "work", "base")
    for name in ("one", "two"):
        put_stray(host, name)
    of_two, of_the_command_line = infos(host, "two"), infos(host, "overlayfs")
    assert [info.name for info in of_the_command_line] == ["base", "work"]

    collect(one, host, "one")
    assert infos(host, "two") == of_two
    assert infos(host, "overlayfs") == of_the_command_line
    assert two.run(IMAGE, "two", "cat", f"{TEMPLATES}/note") == "of the uppermost layer\n"

    collect(two, host, "two")
    assert infos(host, "overlayfs") == of_the_command_line
    wait_until(lambda: not host.data()["trash"], 120, "the trash is empty")
    assert len(host.data()["snapshots"]) == len(of_the_command_line)
    host.lamina("snapshots", "rm", "work", "base")


def test_the_same_image_is_unpacked_for_each_containerd(host: Host, one: Containerd, two: Containerd) -> None:
    """Equal names in two keyspaces are two snapshots."""

    def names(name: str) -> list[str]:
        return sorted(info.name.rpartition("/")[2] for info in infos(host, name))

    assert names("one") == names("two")
    assert len(names("one")) == 5
    assert len(host.data()["snapshots"]) == 10
