"""Either side is killed while an image is unpacked: it is unpacked later, and nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.testing import Tree, differences, read_tree
from tests.support.commands import CommandFailed
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd
from tests.support.interop.images import IMAGE
from tests.support.interop.nodes import unpack_config
from tests.support.interop.releases import Release
from tests.support.processes.daemons import Daemon
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

NOTHING: dict[str, list[str]] = {"snapshots": [], "records": [], "trash": []}


@pytest.fixture
def own_host() -> Iterator[Host]:
    with short_directory() as directory, Host(directory / "h").running() as host:
        yield host


@pytest.fixture
def own_containerd(release: Release, own_host: Host) -> Iterator[Containerd]:
    stanzas = own_host.lamina("containerd-config", "--containerd-version", release.upstream, "lamina")
    stanzas += unpack_config(release, "lamina")
    with (
        short_directory() as directory,
        Containerd(directory / "c", stanzas=stanzas, release=release).running() as containerd,
    ):
        yield containerd


@pytest.fixture
def victim(request: pytest.FixtureRequest) -> Daemon:
    """Each of the two."""
    daemon: Daemon = request.getfixturevalue(request.param)
    return daemon


@pytest.mark.parametrize(
    "victim",
    [
        pytest.param("own_host", marks=pytest.mark.capability("lamina is killed in the middle of an unpack")),
        pytest.param(
            "own_containerd", marks=pytest.mark.capability("containerd is killed in the middle of an unpack")
        ),
    ],
    indirect=True,
)
def test_an_image_is_unpacked_after_a_kill(
    own_host: Host, own_containerd: Containerd, victim: Daemon, large: Path, large_tree: Tree, tmp_path: Path
) -> None:
    with own_containerd.importing(large, "lamina") as importing:
        wait_until(lambda: is_unpacking(own_host), 60, "a layer is being unpacked")
        victim.kill()
    assert importing.returncode != 0
    victim.start()

    wait_until(lambda: imported(own_containerd, large), 60, "the image is imported")
    target = tmp_path / "mnt"
    with own_containerd.mounted_image(IMAGE, "lamina", target):
        assert differences(read_tree(target, times=False), large_tree) == []

    own_containerd.remove_leases()  # of the import that was cut short: else they hold what it had for a day
    own_containerd.remove_image(IMAGE)
    wait_until(lambda: own_host.data() == NOTHING, 60, "containerd has collected everything")


def is_unpacking(host: Host) -> bool:
    return any("/extract-" in key for key in host.keys("lamina"))


def imported(containerd: Containerd, archive: Path) -> bool:
    """Import an image; False where containerd has not found lamina again, for which it takes three seconds."""
    try:
        containerd.import_image(archive, "lamina")
    except CommandFailed as error:
        if not any(word in str(error).lower() for word in ("unavailable", "connection refused")):
            raise
        return False
    return True
