"""examples/kubernetes makes a node run the pods of one RuntimeClass on lamina, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from containerds import Containerd
from cri import Cri
from hosts import Host
from images import TEMPLATES
from nodes import Node
from releases import Release
from serving import short_directory
from waiting import wait_until

pytestmark = [
    pytest.mark.requires("cni"),
    pytest.mark.capability("CRI: a RuntimeClass, by the files in `examples/kubernetes`"),
]

EXAMPLES = Path(__file__).parents[3] / "examples/kubernetes"
DOCUMENTS = {
    document["kind"]: document
    for file in EXAMPLES.glob("*.yaml")
    for document in yaml.safe_load_all(file.read_text())
}
HANDLER = DOCUMENTS["RuntimeClass"]["handler"]
ANNOTATIONS = DOCUMENTS["Pod"]["metadata"]["annotations"]


def moved(text: str, directory: Path) -> str:
    """A configuration with its paths below a directory, and cgroups as where no systemd manages them."""
    text = text.replace("/var/lib/lamina", f"{directory}/root").replace("/run/lamina", f"{directory}/state")
    return text.replace("SystemdCgroup = true", "SystemdCgroup = false")


def add(configuration: Path, example: str, release: Release) -> None:
    """Add the example to containerd's file, as its first lines say."""
    if release.version >= (2, 0):
        drop_in = configuration.with_name("lamina.toml")
        drop_in.write_text(example)
        configuration.write_text(f'imports = ["{drop_in}"]\n{configuration.read_text()}')
    else:
        configuration.write_text(configuration.read_text() + example.replace("version = 2\n", ""))


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
    name = "containerd-2.toml" if release.version >= (2, 0) else "containerd-1.7.toml"
    example = moved((EXAMPLES / name).read_text(), daemon.directory)
    with short_directory() as directory:
        node = Node(directory / "c", release, snapshotter="overlayfs", sandbox=reference)
        add(directory / "c/config.toml", example, release)
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
        wait_until(lambda: not daemon.keys("lamina"), 10, "containerd has collected everything")


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
        wait_until(lambda: not daemon.keys("lamina"), 10, "containerd has collected everything")
