"""`lamina diagnose` of the snapshotter settings of containerd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd
from tests.support.processes.diagnoses import diagnose
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay")

PROXY = """
[proxy_plugins.remote]
type = "snapshot"
address = "{0}"
snapshotter = "{1}"
capabilities = ["rebase"]
"""
TABLE = """
[proxy_plugins.{0}]
type = "snapshot"
address = "{1}"
capabilities = {2}
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with short_directory() as directory, Host(directory / "h").running() as host:
        yield host


def test_a_snapshotter_that_supports_rebase_is_reported(host: Host) -> None:
    found = diagnose("-c", host.directory / "config.toml").one("containerd", "rebase")
    assert (found["Status"], found["Found"].split(":")[0]) == ("ok", "overlayfs")
    assert host.keys("overlayfs") == []


@pytest.mark.parametrize(("snapshotter", "status"), [("native", "problem"), ("overlayfs", "ok")])
def test_a_proxy_with_a_wrong_rebase_capability_is_a_problem(host: Host, snapshotter: str, status: str) -> None:
    """As for containerd's own overlay snapshotter, or a lamina that returns a bind mount."""
    proxy = PROXY.format(host.address, snapshotter)
    with short_directory() as directory, Host(directory / "h", proxy).running() as outer:
        found = diagnose("-c", outer.directory / "config.toml")
    (remote,) = (one for one in found.of("containerd", "rebase") if one["Found"].startswith("remote: "))
    assert remote["Status"] == status
    if status == "problem":
        assert "deleted files reappear" in remote["Found"]
        assert "remove rebase from the capabilities of [proxy_plugins.remote]" in remote["Remedy"]


@pytest.mark.requires("containerd")
def test_capabilities_in_containerds_configuration_are_compared_with_the_snapshotters(host: Host) -> None:
    tables = [("lamina", ["rebase"]), ("lamina-native", ["rebase", "remap-ids"]), ("nothing", [])]
    stanzas = "".join(TABLE.format(name, host.address, capabilities) for name, capabilities in tables)
    with short_directory() as directory, Containerd(directory / "c", stanzas=stanzas).running():
        found = diagnose("-c", host.directory / "config.toml")
    assert found.one("containerd", "table lamina")["Status"] == "ok"
    rebase, remap = found.of("containerd", "table lamina-native")
    assert "gives it rebase, which native lacks" in rebase["Found"]
    assert "gives it remap-ids, which native lacks" in remap["Found"]
    assert "lamina containerd-config lamina-native" in remap["Remedy"]
    assert found.one("containerd", "table nothing")["Status"] == "problem"
    assert found.code == 1


@pytest.mark.requires("containerd")
def test_tables_in_imported_files_are_found(host: Host) -> None:
    with short_directory() as directory:
        Path(directory, "lamina.toml").write_text(
            "version = 2\n" + TABLE.format("lamina", host.address, ["rebase"])
        )
        containerd = Containerd(directory / "c", stanzas="")
        file = directory / "c/config.toml"
        file.write_text(f'imports = ["{directory}/*.toml"]\n{file.read_text()}')
        with containerd.running():
            found = diagnose("-c", host.directory / "config.toml").one("containerd", "table lamina")
    assert (found["Status"], found["Found"].split()[0]) == ("ok", f"{directory}/lamina.toml")
