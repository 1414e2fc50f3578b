"""The image of examples/kubernetes is built and run as its files say, and serves the containerd that runs it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.interop.cache import debian
from tests.support.interop.cri import Cri, Pod
from tests.support.interop.images import TEMPLATES
from tests.support.interop.kubernetes_example import ANNOTATIONS, DIRECTORY, DOCUMENTS, HANDLER, configure, moved
from tests.support.interop.nodes import Node
from tests.support.interop.releases import Release
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.requires("cni", "buildah", "mmdebstrap", "package-index", "containerd-forky"),
    pytest.mark.parametrize("release", ["forky"], indirect=True),  # one build is slow enough
]

ROOT = Path(__file__).parents[3]
SPEC = DOCUMENTS["DaemonSet"]["spec"]["template"]["spec"]
(CONTAINER,) = SPEC["containers"]
IMAGE: str = CONTAINER["image"]
PROBES = ("readinessProbe", "livenessProbe")
LIST = ("lamina", "snapshots", "--snapshotter", "lamina", "ls")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """lamina's image as an OCI archive, from the Dockerfile, on Debian's Python in place of Docker's."""
    directory = tmp_path_factory.mktemp("image-of-lamina")
    archive = directory / "image.tar"
    storage = ("--root", directory / "storage", "--runroot", directory / "run", "--storage-driver", "overlay")

    def buildah(*arguments: str | Path) -> str:
        return run("buildah", *storage, *arguments, seconds=600).strip()

    working = buildah("from", "scratch")
    buildah("add", "--quiet", working, debian("bookworm", "minbase", "ca-certificates", "python3-pip"), "/")
    buildah("config", "--env", "PIP_BREAK_SYSTEM_PACKAGES=1", working)
    buildah("commit", "--quiet", "--rm", working, "docker.io/library/python:3.11-slim")
    network = ("--network", "host", "--isolation", "chroot", "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro")
    buildah("bud", "--quiet", "--pull-never", *network, "--file", DIRECTORY / "Dockerfile", "--tag", IMAGE, ROOT)
    buildah("push", "--quiet", "--disable-compression", IMAGE, f"oci-archive:{archive}:{IMAGE}")
    return archive


@pytest.fixture
def machine() -> Iterator[Path]:
    """The directory in whose place of `/` the manifest's paths are; mounts below it propagate, as on a node."""
    with short_directory() as directory:
        run("mount", "--bind", directory, directory)
        try:
            run("mount", "--make-shared", directory)
            yield directory
        finally:
            run("umount", "--lazy", directory)


@pytest.fixture
def node(release: Release, machine: Path, reference: str, built: Path) -> Iterator[Node]:
    """A containerd with lamina's image, and with what the example tells it of lamina."""
    with short_directory() as directory:
        node = Node(directory / "c", release, snapshotter="overlayfs", sandbox=reference)
        configure(directory / "c/config.toml", release, machine)
        with node.running():
            node.ctr("--namespace", "k8s.io", "images", "import", "--snapshotter", "overlayfs", built)
            yield node


@contextlib.contextmanager
def lamina(cri: Cri, machine: Path) -> Iterator[tuple[Pod, str]]:
    """lamina's pod and its container, which is ready."""
    config = machine / "config"
    config.mkdir()
    (config / "config.toml").write_text(on(machine, DOCUMENTS["ConfigMap"]["data"]["config.toml"]))
    with cri.pod(privileged=CONTAINER["securityContext"]["privileged"]) as pod:
        container = pod.start(IMAGE, mounts=[mount(each, config, machine) for each in CONTAINER["volumeMounts"]])
        wait_until(lambda: is_ready(pod, container), 240, "lamina is ready")
        yield pod, container


def mount(manifest: dict[str, Any], config: Path, machine: Path) -> dict[str, Any]:
    """A mount as a kubelet makes it of a container's volumeMount."""
    (volume,) = (volume for volume in SPEC["volumes"] if volume["name"] == manifest["name"])
    host = Path(moved(volume["hostPath"]["path"], machine)) if "hostPath" in volume else config
    host.mkdir(exist_ok=True)
    propagates = manifest.get("mountPropagation") == "HostToContainer"
    return {
        "container_path": on(machine, manifest["mountPath"]),
        "host_path": str(host),
        "readonly": manifest.get("readOnly", False),
        "propagation": "PROPAGATION_HOST_TO_CONTAINER" if propagates else "PROPAGATION_PRIVATE",
    }


def on(machine: Path, text: str) -> str:
    """A text of the pod's, with the one path that must be the same in the pod and on the node."""
    return text.replace("/var/lib/lamina", f"{machine}/root")


def is_ready(pod: Pod, container: str) -> bool:
    """What the readiness probe says."""
    try:
        return pod.probe(container, CONTAINER["readinessProbe"])
    except grpc.RpcError as error:
        raise AssertionError("the container has ended") from error


@contextlib.contextmanager
def stopped(node: Node, container: str) -> Iterator[None]:
    """A container whose process does nothing during the block."""
    tasks = [line.split() for line in node.ctr("--namespace", "k8s.io", "tasks", "ls").splitlines()]
    (pid,) = (int(pid) for task, pid, _ in tasks if task == container)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_both_probes_fail_while_lamina_hangs_and_succeed_before_and_after(node: Node, machine: Path) -> None:
    with Cri(node.address) as cri, lamina(cri, machine) as (pod, container), ThreadPoolExecutor() as kubelet:

        def succeed() -> list[bool]:
            return list(kubelet.map(lambda name: pod.probe(container, CONTAINER[name]), PROBES))

        # A probe may miss its deadline on a busy machine, and a kubelet repeats it.
        wait_until(lambda: succeed() == [True, True], 240, "both probes succeed")
        with stopped(node, container):
            assert succeed() == [False, False]
        wait_until(lambda: succeed() == [True, True], 240, "both probes succeed again")


def test_lamina_runs_in_a_pod_and_serves_the_node(node: Node, machine: Path, reference: str) -> None:
    with Cri(node.address) as cri, lamina(cri, machine) as (daemon, container):
        cri.call("PullImage", image={"image": reference}, sandbox_config={"annotations": ANNOTATIONS})
        with cri.pod(HANDLER, ANNOTATIONS) as pod:
            shell = pod.start(reference, "sleep", "inf")
            assert pod.execute(shell, "cat", f"{TEMPLATES}/note") == "of the uppermost layer\n"
            assert shell in daemon.execute(container, *LIST)
