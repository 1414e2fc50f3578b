"""Either side is killed while an image is unpacked: it is unpacked later, and nothing is left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.testing import Tree, differences, read_tree
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd, once_connected
from tests.support.interop.images import IMAGE
from tests.support.interop.nodes import unpack_config
from tests.support.interop.releases import Release
from tests.support.processes.daemons import Daemon
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

NOTHING: dict[str, list[str]] = {"snapshots": [], "records": [], "trash": []}

DECOMPRESSOR = """\
#!/bin/sh
[ -e {0}/halfway ] && exec gzip -dc
exec 3< {0}/rest
gzip -dc | {{ head -c 1000000; mkdir {0}/halfway; cat <&3; cat; }}
"""
"""The program that containerd runs for each layer. It waits once, in the middle of the first one."""


@pytest.fixture
def own_host() -> Iterator[Host]:
    with short_directory() as directory, Host(directory / "h").running() as host:
        yield host


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The directory of the decompressor. See `halfway`."""
    directory = tmp_path / "programs"
    directory.mkdir()
    os.mkfifo(directory / "rest")
    program = directory / "unpigz"
    program.write_text(DECOMPRESSOR.format(directory))
    program.chmod(0o755)
    return directory


@contextlib.contextmanager
def halfway(programs: Path) -> Iterator[None]:
    """Wait until half of a layer is unpacked. The rest of it follows at the end of the block."""
    with open(programs / "rest", "r+b", buffering=0):  # the reader gets no end of file until it is closed
        wait_until((programs / "halfway").exists, 120, "half of a layer is unpacked")
        yield


@pytest.fixture
def own_containerd(release: Release, own_host: Host, programs: Path) -> Iterator[Containerd]:
    stanzas = own_host.lamina("containerd-config", "--containerd-version", release.upstream, "lamina")
    stanzas += unpack_config(release, "lamina")
    with (
        short_directory() as directory,
        Containerd(directory / "c", stanzas=stanzas, release=release, programs=programs).running() as containerd,
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
    own_host: Host,
    own_containerd: Containerd,
    victim: Daemon,
    programs: Path,
    large: Path,
    large_tree: Tree,
    tmp_path: Path,
) -> None:
    with own_containerd.importing(large, "lamina") as importing, halfway(programs):
        assert any("/extract-" in key for key in own_host.keys("lamina"))
        victim.kill()
    assert importing.returncode != 0
    victim.start()

    once_connected(lambda: own_containerd.import_image(large, "lamina"))
    target = tmp_path / "mnt"
    with own_containerd.mounted_image(IMAGE, "lamina", target):
        assert differences(read_tree(target, times=False), large_tree) == []

    own_containerd.remove_leases()  # of the import that was cut short: else they hold what it had for a day
    own_containerd.remove_image(IMAGE)
    wait_until(lambda: own_host.data() == NOTHING, 120, "containerd has collected everything")
