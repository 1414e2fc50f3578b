"""Commands with closed standard streams: what cannot be printed is an error, whatever else is closed is not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.snapshots import Info, Snapshotter
from tests.integration.cli.conftest import PROGRAM, Lamina
from tests.support.images.archives import write_directory
from tests.support.images.built import layer as built_layer
from tests.support.images.layouts import DEBIAN, debian

pytestmark = pytest.mark.requires("root", "overlay")

PRINTING = (
    "--help",
    "--version",
    "completion bash",
    "config check",
    "config default",
    "config dump",
    "config explain debug.level",
    "config migrate {config}",
    "config schema",
    "containerd-config",
    "content ls",
    "content prune --dry-run",
    "content verify",
    "diagnose",
    "images --help",
    f"images config {DEBIAN}",
    "images df",
    f"images history {DEBIAN}",
    f"images inspect {DEBIAN}",
    "images ls",
    "images prune --dry-run",
    f"images unpack {DEBIAN}",
    f"images why {DEBIAN}",
    "leases ls",
    "metastore check",
    "plugins graph",
    "plugins ls",
    "plugins why native",
    "snapshots diff base",
    "snapshots diff base -o -",
    "snapshots info base",
    "snapshots label base",
    "snapshots ls",
    "snapshots mounts /mnt base-view",
    "snapshots tree",
    "snapshots usage",
    "version",
)
"""Commands that print something, whatever the host has."""


Shell = Callable[[str, str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text("version = 4\n")
    return path


@pytest.fixture(scope="module")
def image(host: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The host has an image."""
    layout = write_directory(tmp_path_factory.mktemp("image") / "layout", debian(built_layer({"file": ""})))
    with Client(host, timeout=120) as client:
        client.transfer().import_(str(layout))


@pytest.fixture
def shell(lamina: Lamina, config: Path) -> Shell:
    """Return a function that runs `lamina` with redirections."""

    def run(words: str, redirections: str) -> subprocess.CompletedProcess[str]:
        # The metastore is that of the host at the address, which the file does not describe.
        file = {} if words.startswith("metastore") else {"LAMINA_CONFIG": str(config)}
        return subprocess.run(
            ["bash", "-c", f'set -o pipefail; "$0" {words.format(config=config)} {redirections}', PROGRAM],
            env=lamina.environment() | file,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def snapshots(layer: Callable[..., None], snapshotter: Snapshotter) -> None:
    """The host has snapshots of which every command has something to say."""
    layer("base", file="content")
    snapshotter.view("base-view", "base")
    snapshotter.update(Info("base", labels={"a": "b"}), ("labels.a",))


@pytest.mark.usefixtures("image", "snapshots")
@pytest.mark.parametrize("words", PRINTING)
def test_a_closed_standard_output_is_an_error(shell: Shell, words: str) -> None:
    done = shell(words, ">&-")
    where = "" if words.endswith(("--help", "--version")) else "standard output: "
    assert (done.returncode, done.stderr) == (1, f"lamina: {where}Bad file descriptor\n")


SAMPLE = ("--help", "images --help", "snapshots diff base", "snapshots diff base -o -", "version --json")


@pytest.mark.usefixtures("snapshots")
@pytest.mark.parametrize("words", SAMPLE)
def test_a_full_standard_output_is_an_error(shell: Shell, words: str) -> None:
    done = shell(words, ">/dev/full")
    where = "" if words.endswith("--help") else "standard output: "
    assert (done.returncode, done.stderr) == (1, f"lamina: {where}No space left on device\n")


@pytest.mark.usefixtures("snapshots")
@pytest.mark.parametrize("words", SAMPLE)
def test_a_broken_pipe_ends_a_command_silently(shell: Shell, tmp_path: Path, words: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # The descriptor for reading is closed before the command begins.
    done = shell(words, f"3<> {pipe} >{pipe} 3>&-")
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
@pytest.mark.parametrize("words", ["plugins ls", "snapshots ls", "snapshots tree", "snapshots usage"])
def test_another_closed_stream_does_not_fail_a_listing(
    lamina: Lamina, shell: Shell, layer: Callable[..., None], words: str, closed: str
) -> None:
    layer("base")
    done = shell(words, closed)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == lamina(*words.split())


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">/dev/full"])
def test_a_closed_stream_does_not_fail_an_operation_that_prints_nothing(
    shell: Shell, snapshotter: Snapshotter, closed: str
) -> None:
    done = shell("snapshots prepare key", closed)
    assert (done.returncode, done.stderr) == (0, "")
    assert [info.name for info in snapshotter.walk()] == ["key"]


@pytest.mark.parametrize("full", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(("words", "code"), [("snapshots info missing", 1), ("doctor -c /nonexistent", 2)])
def test_the_exit_status_is_that_of_the_error_even_if_it_cannot_be_printed(
    shell: Shell, words: str, code: int, full: str
) -> None:
    done = shell(words, full)
    assert (done.returncode, done.stderr, done.stdout) == (code, "", "")
