"""What `lamina containerd-config` prints makes a real containerd run containers on each snapshotter."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.snapshots import Kind
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd, once_connected
from tests.support.interop.images import IMAGE
from tests.support.processes.daemons import SECONDS
from tests.support.processes.hosts import Host
from tests.support.snapshotters.btrfs import mounted_btrfs
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires(
    "root", "overlay", "btrfs", "containerd", "ctr", "runc", "umoci", "skopeo", "busybox-static"
)

CONFIG = """
[plugins."io.containerd.snapshotter.v1.btrfs"]
root_path = "{0}/root"
[plugins."io.containerd.grpc.v1.snapshots".aliases]
lamina = "overlayfs"
"two words" = "native"
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host on which all three snapshotters work."""
    with (
        short_directory() as directory,
        mounted_btrfs(directory) as btrfs,
        Host(directory / "h", CONFIG.format(btrfs)).running() as host,
    ):
        yield host


@pytest.fixture(scope="module")
def stanzas(host: Host) -> str:
    """What the command prints for the containerd of these tests."""
    return host.lamina("containerd-config", "--containerd-version", "1.6")


@pytest.fixture(scope="module")
def containerd(stanzas: str) -> Iterator[Containerd]:
    """A containerd whose configuration ends with exactly that."""
    with short_directory() as directory, Containerd(directory / "c", stanzas=stanzas).running() as containerd:
        yield containerd


def test_containerd_knows_the_snapshotters_by_the_names_that_were_printed(
    stanzas: str, containerd: Containerd
) -> None:
    printed = tomllib.loads(stanzas)["proxy_plugins"]
    assert set(printed) == {"lamina", "lamina-btrfs", "two words"}
    for name in printed:
        (row,) = containerd.ctr("plugins", "ls", f"id=={json.dumps(name)}").splitlines()[1:]
        assert row.split()[-1] == "ok"


@pytest.mark.parametrize(
    ("name", "snapshotter"), [("lamina", "overlayfs"), ("two words", "native"), ("lamina-btrfs", "btrfs")]
)
def test_a_container_runs_on_each(
    host: Host, containerd: Containerd, archive: Path, name: str, snapshotter: str
) -> None:
    containerd.import_image(archive, name)
    command = ("sh", "-c", "echo new > /file && cat /file /usr/share/base-files/note")
    assert containerd.run(IMAGE, name, *command) == "new\nof the uppermost layer\n"
    with host.client() as client:
        layers = [info for info in client.snapshotter(name).walk() if info.kind is Kind.COMMITTED]
        assert len(layers) == 5
        assert list(client.snapshotter(snapshotter).walk()) == []
    containerd.remove_image(IMAGE)


@pytest.mark.parametrize("name", ["overlayfs", "native", "btrfs"])
def test_a_table_with_the_name_of_a_snapshotter_of_its_own_would_end_containerd(host: Host, name: str) -> None:
    with (
        short_directory() as directory,
        Containerd(directory / "c", {name: host.address}).launched() as containerd,
    ):
        wait_until(lambda: not containerd.is_running, SECONDS, "containerd to end")
        # "… id already registered", or that of a thread that serves meanwhile, whichever comes first
        assert "\npanic: " in containerd.stderr


def test_containerd_may_be_started_before_the_host() -> None:
    with short_directory() as directory:
        late = Host(directory / "h")
        with (
            Containerd(directory / "c", {"lamina": late.address}).running() as containerd,
            late.running(),
        ):
            once_connected(lambda: containerd.ctr("snapshots", "--snapshotter", "lamina", "prepare", "key"))
            assert len(late.keys("lamina")) == 1
