"""Containers of a real containerd on snapshots that lamina made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd, once_connected
from tests.support.interop.images import IMAGE, LICENSES, PROGRAMS, TEMPLATES
from tests.support.interop.nodes import unpack_config
from tests.support.interop.releases import Release
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

NOTHING: dict[str, list[str]] = {"snapshots": [], "records": [], "trash": []}


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture
def host(directory: Path) -> Iterator[Host]:
    with Host(directory / "h").running() as host:
        yield host


@pytest.fixture
def containerd(release: Release, host: Host, directory: Path, archive: Path) -> Iterator[Containerd]:
    """A containerd with the image, unpacked by the snapshotter `lamina`."""
    tables = unpack_config(release, "lamina")
    daemon = Containerd(directory / "c", {"lamina": host.address}, stanzas=tables, release=release)
    with daemon.running() as containerd:
        containerd.import_image(archive, "lamina")
        yield containerd


def check_content(containerd: Containerd) -> None:
    """Run a container that reads from several layers, and looks for what upper layers hide."""
    read = containerd.run(IMAGE, "lamina", "cat", f"{LICENSES}/BSD", f"{TEMPLATES}/note")
    assert read == Path(LICENSES, "BSD").read_text() + "of the uppermost layer\n"

    listed = containerd.run(IMAGE, "lamina", "ls", "-1", "/bin", LICENSES, TEMPLATES)
    shown = {folder: files.split() for folder, _, files in (part.partition(":") for part in listed.split("\n\n"))}
    assert shown["/bin"] == sorted(["busybox", *PROGRAMS])
    assert shown[LICENSES] == sorted({path.name for path in Path(LICENSES).iterdir()} - {"Artistic"})
    assert shown[TEMPLATES] == ["note"]


@pytest.mark.capability("containers run on while lamina is killed and started again")
def test_containers_live_on_lamina_through_its_death_and_leave_nothing_behind(
    host: Host, containerd: Containerd
) -> None:
    """The whole life of an image: unpacked, run, the host killed and started again, run again, removed."""
    check_content(containerd)
    running = containerd.start_container(IMAGE, "lamina", "sleep", "1000")

    host.kill()
    assert containerd.execute(running, "cat", f"{TEMPLATES}/note") == "of the uppermost layer\n"

    host.start()
    once_connected(lambda: containerd.ctr("snapshots", "--snapshotter", "lamina", "usage"))
    check_content(containerd)

    containerd.remove_container(running)
    containerd.remove_image(IMAGE)
    wait_until(lambda: host.data() == NOTHING, 120, "containerd has collected everything")


def test_a_container_writes_to_its_own_snapshot(host: Host, containerd: Containerd) -> None:
    changes = f"echo more >> {TEMPLATES}/note && rm -r {LICENSES} && cat {TEMPLATES}/note && ls {LICENSES} || true"
    assert containerd.run(IMAGE, "lamina", "sh", "-c", changes) == "of the uppermost layer\nmore\n"
    check_content(containerd)


def test_the_image_is_unpacked_once(host: Host, containerd: Containerd, archive: Path) -> None:
    before = host.keys("lamina")
    assert len(before) == 5
    containerd.import_image(archive, "lamina")
    assert host.keys("lamina") == before
