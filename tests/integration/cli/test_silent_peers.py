"""Commands that ask every snapshotter of a host, one of which is behind a socket where nobody answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Lamina
from tests.support.directories import short_directory
from tests.support.images.archives import write_directory
from tests.support.images.built import layer
from tests.support.images.layouts import debian
from tests.support.processes.diagnoses import diagnose
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay")

SILENT = """
[proxy_plugins.silent]
type = "snapshot"
address = "/nonexistent/silent.sock"
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with short_directory() as directory, Host(directory / "h", SILENT).running() as host:
        yield host


def test_the_snapshot_of_a_mount_point_is_removed(host: Host, tmp_path: Path) -> None:
    lamina = Lamina(host.address)
    layout, target = write_directory(tmp_path / "layout", debian(layer({"file": ""}))), tmp_path / "target"
    target.mkdir()
    lamina("images", "import", "--name", "x", layout)
    lamina("images", "mount", "x", target)
    lamina("images", "unmount", target)
    (chain,) = host.keys("overlayfs/images/default")
    assert chain.startswith("sha256:")


def test_an_unknown_snapshot_is_diagnosed(host: Host) -> None:
    found = diagnose("-c", host.directory / "config.toml", "nothing").one("snapshot nothing", "record")
    assert found["Status"] == "problem"
    assert found["Remedy"].endswith("do not have this key either, except that silent cannot be asked")
