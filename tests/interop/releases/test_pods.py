"""Pods, as a kubelet has each containerd run them through CRI."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest

from tests.support.directories import short_directory
from tests.support.interop.cri import Cri, Pod
from tests.support.interop.images import OWNED, TEMPLATES
from tests.support.interop.nodes import Node, unpack_config
from tests.support.interop.releases import Release
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("cni")

NOTE = f"{TEMPLATES}/note"
MEBIBYTE = 1 << 20
IDS = {"host_id": 100_000, "container_id": 0, "length": 65_536}
USERNS = {"mode": "POD", "uids": [IDS], "gids": [{**IDS, "host_id": 300_000}]}


@pytest.fixture(scope="module", params=["overlayfs", "native", "btrfs"])
def snapshotter(request: pytest.FixtureRequest) -> str:
    """The name of each of the snapshotters that nodes use."""
    return f"node-{request.param}"


@pytest.fixture(scope="module")
def node(release: Release, host: Host, snapshotter: str, reference: str) -> Iterator[Node]:
    """A containerd whose CRI plugin has that snapshotter for its default."""
    stanzas = host.lamina("containerd-config", "--containerd-version", release.upstream, snapshotter)
    stanzas += unpack_config(release, snapshotter)
    with short_directory() as directory:
        directory.chmod(0o711)
        node = Node(directory / "c", release, stanzas, snapshotter=snapshotter, sandbox=reference)
        with node.running():
            yield node


@pytest.fixture
def cri(node: Node, host: Host, snapshotter: str, reference: str) -> Iterator[Cri]:
    """A kubelet's connection to the node, which has pulled the image; afterwards nothing of it is left."""
    with Cri(node.address) as cri:
        cri.call("PullImage", image={"image": reference})
        yield cri
        cri.call("RemoveImage", image={"image": reference})
        wait_until(lambda: not host.keys(snapshotter), 120, f"containerd has collected all in {snapshotter}")


@pytest.mark.capability("CRI: `PullImage`, a pod with a network, `ExecSync`, `RemoveImage`")
def test_a_pod_runs_on_an_image_that_was_pulled(cri: Cri, node: Node, reference: str) -> None:
    with cri.pod() as pod:
        address = cri.call("PodSandboxStatus", pod_sandbox_id=pod.sandbox).status.network.ip
        assert ipaddress.ip_address(address) in node.network
        container = pod.start(reference, "sleep", "inf")
        assert pod.execute(container, "cat", NOTE) == "of the uppermost layer\n"


@pytest.mark.capability("CRI: `ContainerStats` of the writable layer")
def test_a_containers_writable_layer_is_measured(cri: Cri, reference: str) -> None:
    with cri.pod() as pod:
        container = pod.start(reference, "sleep", "inf")
        pod.execute(container, "dd", "if=/dev/urandom", "of=/file", "bs=1M", "count=2", "conv=fsync")
        wait_until(lambda: written(pod, container) >= 2 * MEBIBYTE, 120, "the statistics show what was written")


@pytest.mark.capability("CRI: `ImageFsInfo`")
def test_the_file_system_of_images_is_that_of_the_snapshotter(
    cri: Cri, host: Host, release: Release, snapshotter: str
) -> None:
    if release.version < (1, 7):
        pytest.skip(f"containerd {release.upstream} is not told where the layers are")
    with host.client() as client:
        (plugin,) = client.plugins(f"type==io.containerd.snapshotter.v1,id=={snapshotter.removeprefix('node-')}")
    wait_until(lambda: used(cri) > 0, 120, "the statistics show the images")
    (filesystem,) = cri.call("ImageFsInfo").image_filesystems
    assert filesystem.fs_id.mountpoint == plugin.exports["root"]


@pytest.mark.capability("CRI: a pod with a user namespace")
def test_a_pod_in_a_user_namespace_has_the_images_owners(cri: Cri, release: Release, reference: str) -> None:
    if release.version < (1, 7):
        pytest.skip(f"containerd {release.upstream} has no pods with user namespaces of their own")
    with cri.pod(userns_options=USERNS) as pod:
        container = pod.start(reference, "sleep", "inf")
        owners = pod.execute(container, "sh", "-c", f"> /new && exec stat -c %u:%g /bin {NOTE} /new").split()
    assert owners == ["0:0", "{}:{}".format(*OWNED), "0:0"]


def written(pod: Pod, container: str) -> int:
    return int(pod.cri.call("ContainerStats", container_id=container).stats.writable_layer.used_bytes.value)


def used(cri: Cri) -> int:
    return int(cri.call("ImageFsInfo").image_filesystems[0].used_bytes.value)
