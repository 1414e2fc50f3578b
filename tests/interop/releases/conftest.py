"""The containerds of Debian's suites, and a host for each with every snapshotter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.directories import short_directory
from tests.support.interop import registry, releases
from tests.support.interop.containerds import Containerd
from tests.support.interop.images import IMAGE
from tests.support.interop.nodes import unpack_config
from tests.support.processes.hosts import Host
from tests.support.snapshotters.btrfs import mounted_btrfs
from tests.support.waiting import wait_until

NAMES = {"overlayfs": "lamina", "native": "lamina-native", "btrfs": "lamina-btrfs"}
"""Of lamina's snapshotters: what containerd calls them."""

CONFIG = """
[plugins."io.containerd.snapshotter.v1.btrfs"]
root_path = "{0}/root"
[plugins."io.containerd.grpc.v1.snapshots".aliases]
lamina = "overlayfs"
node-overlayfs = "overlayfs"
side-by-side = "overlayfs"
node-native = "native"
node-btrfs = "btrfs"
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs what a containerd and an image need."""
    needed = ("root", "overlay", "btrfs", "umoci", "skopeo", "busybox-static")
    directory = Path(__file__).parent
    for item in items:
        if item.path.parent == directory:
            item.add_marker(pytest.mark.requires(*needed))


@pytest.fixture(scope="session")
def host(release: releases.Release) -> Iterator[Host]:
    """A host on which all three snapshotters work, of the containerds of that release alone."""
    with (
        short_directory() as directory,
        mounted_btrfs(directory, megabytes=512) as btrfs,
        Host(directory / "h", CONFIG.format(btrfs)).running() as host,
    ):
        directory.chmod(0o711)  # the root user of a container's user namespace is nobody here
        yield host


@pytest.fixture(scope="session")
def containerd(release: releases.Release, host: Host) -> Iterator[Containerd]:
    """A containerd with the tables that `lamina containerd-config` prints for its version."""
    names = sorted(NAMES.values())
    stanzas = host.lamina("containerd-config", "--containerd-version", release.upstream, *names)
    with short_directory() as directory:
        directory.chmod(0o711)
        stanzas += unpack_config(release, *names)
        with Containerd(directory / "c", stanzas=stanzas, release=release).running() as containerd:
            yield containerd


@pytest.fixture(scope="session")
def reference(archive: Path) -> Iterator[str]:
    """The name of the image in a registry."""
    with registry.serving(archive.parent / "layout") as reference:
        yield reference


@pytest.fixture(params=NAMES)
def snapshotter(request: pytest.FixtureRequest) -> str:
    """What containerd calls each of the snapshotters."""
    return NAMES[request.param]


@pytest.fixture
def image(containerd: Containerd, host: Host, snapshotter: str, archive: Path) -> Iterator[str]:
    """The image, imported as `ctr` does of itself; afterwards nothing of it is left."""
    containerd.import_image(archive, snapshotter)
    yield IMAGE
    containerd.remove_image(IMAGE)
    wait_until(lambda: not host.keys(snapshotter), 120, f"containerd has collected all in {snapshotter}")


@pytest.fixture(autouse=True)
def _recorded(request: pytest.FixtureRequest) -> None:
    """For the table of what works with which containerd, which is shown when all tests have run."""
    mark = request.node.get_closest_marker("capability")
    if mark:
        version = request.getfixturevalue("release").upstream
        snapshotter = request.node.callspec.params.get("snapshotter", "")
        request.node.user_properties.append(("capability", (mark.args[0], version, snapshotter)))
