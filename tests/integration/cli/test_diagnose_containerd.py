"""`lamina diagnose` of the snapshotter settings of containerd."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.diagnosis import processes_named
from tests.support.directories import short_directory
from tests.support.interop import releases
from tests.support.interop.containerds import Containerd
from tests.support.processes.diagnoses import diagnose
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

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


def test_a_file_that_an_imported_file_imports_is_found_and_its_table_counts(host: Host) -> None:
    """A table of a later file replaces one of an earlier file, as in containerd."""
    with short_directory() as directory:
        (directory / "first.toml").write_text('version = 2\nimports = ["second.toml", "c/config.toml"]\n')
        (directory / "second.toml").write_text("version = 2\n" + TABLE.format("lamina", host.address, ["rebase"]))
        replaced = TABLE.format("lamina", host.address, ["nonsense", "remap-ids"])
        containerd = Containerd(directory / "c", stanzas=replaced)
        file = directory / "c/config.toml"
        file.write_text(f'imports = ["{directory}/first.toml"]\n{file.read_text()}')
        with containerd.running():
            found = diagnose("-c", host.directory / "config.toml").one("containerd", "table lamina")
    assert (found["Status"], found["Found"].split()[0]) == ("ok", f"{directory}/second.toml")


@pytest.mark.requires("containerd-bookworm", "containerd-trixie")
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_table_for_containerd_2_is_a_problem_for_a_containerd_1_that_reads_it(host: Host, suite: str) -> None:
    """1.6 reads no capabilities."""
    release = releases.release(suite)
    stanzas = TABLE.format("lamina", host.address, ["remap-ids", "only-remap-ids", "rebase"])
    with short_directory() as directory, Containerd(directory / "c", stanzas=stanzas, release=release).running():
        found = diagnose("-c", host.directory / "config.toml").one("containerd", "table lamina")
    assert found["Status"] == ("ok" if suite == "bookworm" else "problem")
    if suite == "trixie":
        assert f"but containerd {release.upstream}" in found["Found"]
        assert f"lamina containerd-config --containerd-version {release.upstream}" in found["Remedy"]


@pytest.mark.requires("containerd-forky")
@pytest.mark.parametrize(
    ("version", "imported", "ignores"), [(2, 3, True), (2, 2, False), (3, 3, False), (3, 2, False)]
)
def test_settings_that_containerd_ignores_because_of_an_import_are_a_problem(
    host: Host, version: int, imported: int, ignores: bool
) -> None:
    """containerd 2.0 to 2.2 migrates no file that imports a newer one."""
    with short_directory() as directory:
        table = TABLE.format("lamina", host.address, [])
        (directory / "lamina.toml").write_text(f"version = {imported}\n{table}")
        containerd = Containerd(directory / "c", release=releases.release("forky"))
        file = directory / "c/config.toml"
        text = file.read_text().replace("version = 3\n", f"version = {version}\n")
        file.write_text(f'imports = ["{directory}/lamina.toml"]\n{text}')
        with containerd.running():
            every = diagnose("-c", host.directory / "config.toml").of("containerd", "imports")
    found = [one["Status"] for one in every if str(directory) in one["Found"]]
    assert found == (["problem"] if ignores else [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[[", "(at line 1, column 3)"),
        ("imports = [1]", "imports is not an array of strings"),
        ('imports = "x.toml"', "imports is not an array of strings"),
        ("proxy_plugins = 3", "proxy_plugins is not a table"),
        ("proxy_plugins = {lamina = 4}", "lamina is not a table"),
        ("proxy_plugins = {lamina = {capabilities = 5}}", "capabilities is not an array of strings"),
        ('proxy_plugins = {lamina = {capabilities = "rebase"}}', "capabilities is not an array of strings"),
        ('imports = ["none.toml"]', "none.toml: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(host: Host, text: str, reason: str) -> None:
    with short_directory() as directory, process_named_containerd(directory) as file:
        file.write_text(text)
        every = diagnose("-c", host.directory / "config.toml").of("containerd", "tables")
    (found,) = (one for one in every if str(directory) in one["Found"])
    assert found["Status"] == "unknown"
    assert reason in found["Found"]
    assert found["Remedy"] == "correct it: containerd may not start with it"


@contextlib.contextmanager
def process_named_containerd(directory: Path, *, there: str | None = None) -> Iterator[Path]:
    """Run a program of that name until the end of the block; yield the file that its command line names.

    Args:
        directory: Where it runs.
        there: The content of that file for the program alone, which has mounts of its own then.
    """
    program = directory / "containerd"
    program.write_text("#!/bin/sh\nread line\n")
    program.chmod(0o755)
    command: list[str | Path] = [program, "--config", "config.toml"]
    if there is not None:
        (directory / "there").write_text(there)
        (directory / "config.toml").touch()
        script = f'mount --bind there {directory}/config.toml && exec "$@"'
        command = ["unshare", "--mount", "sh", "-ec", script, "sh", *command]
    with subprocess.Popen(command, cwd=directory, stdin=subprocess.PIPE) as process:
        try:
            wait_until(
                lambda: _arguments(process.pid) == [b"/bin/sh", os.fsencode(program)], 60, "the program runs"
            )
            assert process.pid in processes_named("containerd")
            yield directory / "config.toml"
        finally:
            process.kill()


def _arguments(pid: int) -> list[bytes]:
    """The first two words of a command line; it is empty for a moment while a program is being executed."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2]


def test_the_file_of_a_containerd_with_other_mounts_is_read_there(host: Host) -> None:
    """Also if there is one at the same path here."""
    there = TABLE.format("nothing", host.address, [])
    with short_directory() as directory, process_named_containerd(directory, there=there) as file:
        file.write_text(TABLE.format("lamina", host.address, []))
        every = diagnose("-c", host.directory / "config.toml").of("containerd", "table nothing")
    (found,) = (one for one in every if str(directory) in one["Found"])
    assert found["Found"].startswith("/proc/")
