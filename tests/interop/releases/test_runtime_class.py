"""examples/kubernetes makes a node run the pods of one RuntimeClass on lamina, and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd
from tests.support.interop.cri import Cri
from tests.support.interop.images import TEMPLATES
from tests.support.interop.kubernetes_example import ANNOTATIONS, DOCUMENTS, HANDLER, configure, moved
from tests.support.interop.nodes import Node
from tests.support.interop.releases import Release
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.requires("cni"),
    pytest.mark.capability("CRI: a RuntimeClass, by the files in `examples/kubernetes`"),
]

OWN_CNI = "/opt/own/cni"
PLACES = """\
root = "{0}/root"
state = "{0}/state"
grpc.address = "{0}/containerd.sock"
"""


@pytest.fixture
def daemon() -> Iterator[Host]:
    """lamina as the DaemonSet configures it."""
    with short_directory() as directory:
        host = Host(directory / "h")
        host.file.write_text(moved(DOCUMENTS["ConfigMap"]["data"]["config.toml"], directory / "h"))
        with host.running():
            yield host


@pytest.fixture
def node(release: Release, daemon: Host, reference: str) -> Iterator[Containerd]:
    """A containerd with the example for its version, and a default snapshotter of its own."""
    if release.version < (1, 7):
        pytest.skip(f"containerd {release.upstream} has one snapshotter for all runtimes")
    with short_directory() as directory:
        node = Node(directory / "c", release, snapshotter="overlayfs", sandbox=reference)
        configure(directory / "c/config.toml", release, daemon.directory)
        with node.running():
            yield node


def test_pods_of_the_class_run_on_lamina(daemon: Host, node: Containerd, reference: str) -> None:
    with Cri(node.address) as cri:
        cri.call("PullImage", image={"image": reference})
        with cri.pod() as pod:
            pod.start(reference, "sleep", "inf")
            assert daemon.keys("lamina") == []

        cri.call("PullImage", image={"image": reference}, sandbox_config={"annotations": ANNOTATIONS})
        with cri.pod(HANDLER, ANNOTATIONS) as pod:
            container = pod.start(reference, "sleep", "inf")
            assert pod.execute(container, "cat", f"{TEMPLATES}/note") == "of the uppermost layer\n"
            assert {key.rpartition("/")[2] for key in daemon.keys("lamina")} >= {container, pod.sandbox}

        cri.call("RemoveImage", image={"image": reference})
        wait_until(lambda: not daemon.keys("lamina"), 120, "containerd has collected everything")


def test_an_image_that_was_pulled_for_other_pods_is_unpacked_for_the_first_of_the_class(
    daemon: Host, node: Containerd, reference: str
) -> None:
    """From 2.2 on layers side by side, whatever the settings."""
    with Cri(node.address) as cri:
        cri.call("PullImage", image={"image": reference})
        with cri.pod(HANDLER) as pod:
            container = pod.start(reference, "sleep", "inf")
            assert pod.execute(container, "ls", TEMPLATES) == "note\n"
        cri.call("RemoveImage", image={"image": reference})
        wait_until(lambda: not daemon.keys("lamina"), 120, "containerd has collected everything")


def test_the_configuration_that_debian_ships_can_be_extended(release: Release, daemon: Host) -> None:
    """It has version 2 and no table of runc. What it says of CNI stays."""
    if release.version < (1, 7):
        pytest.skip(f"containerd {release.upstream} has one snapshotter for all runtimes")
    shipped = (release.programs.parent / "root/etc/containerd/config.toml").read_text()
    assert shipped.startswith("version = 2\n")
    with short_directory() as directory:
        node = Containerd(directory / "c", release=release, cri=True)
        file = directory / "c/config.toml"
        shipped = shipped.replace("/usr/lib/cni", OWN_CNI).replace(
            "/var/lib/containerd/opt", f"{node.directory}/opt"
        )
        file.write_text(PLACES.format(node.directory) + shipped)
        configure(file, release, daemon.directory)
        settings = run(release.programs / "containerd", "--config", file, "config", "dump")
        with node.running():
            plugins = [line.split() for line in node.ctr("plugins", "ls").splitlines()]
    assert all(text in settings for text in (OWN_CNI, "runtimes.runc]", f"runtimes.{HANDLER}]"))
    assert [status for type_, id_, _, status in plugins if id_ == "cri"] == ["ok"]
