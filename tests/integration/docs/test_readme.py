"""The blocks of the README work, letter by letter, at the paths that it names."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.directories import CHECKOUT
from tests.support.interop.images import IMAGE, make_image
from tests.support.processes import scraping
from tests.support.processes.daemons import Daemon
from tests.support.processes.hosts import Host
from tests.support.processes.terminals import beside, clone, first_terminal, served
from tests.support.waiting import wait_until

README = (CHECKOUT / "README.md").read_text()
BLOCKS = {
    "Install": 3,
    "Use it from containerd": 4,
    "Embed it": 2,
    "Write a snapshotter": 3,
    "Run it in production": 1,
}
"""The number of blocks in each section. Each is executed by a test below: add one with a block."""
SOURCES = ("core", "plugins", "config", "examples", ".ci", "Makefile", "pyproject.toml", "README.md", "LICENSE")
pytestmark = pytest.mark.requires("root", "overlay", "ctr")


@pytest.fixture
def tree() -> Iterator[Path]:
    with clone() as directory:
        yield directory


def test_every_block_has_a_test() -> None:
    sections = re.findall(r"^## (.*)$", README, re.MULTILINE)
    assert {section: len(blocks(section)) for section in sections if blocks(section)} == BLOCKS
    assert len(re.findall(r"^```\w", README, re.MULTILINE)) == sum(BLOCKS.values())


@pytest.mark.requires("package-index")
@pytest.mark.timeout(900)  # it fetches packages
def test_make_run_and_pip_install_a_clone(tmp_path: Path) -> None:
    make, pip, path = blocks("Install")
    commands = [line.partition("#")[0].strip() for line in make.splitlines()]
    assert commands == ["make run", "make test"]
    for name in SOURCES:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / name, tmp_path / name)
    with first_terminal(tmp_path, commands[0]) as (process, log):
        socket = f"/proc/{process.pid}/root/run/lamina/lamina.sock"
        wait_until(lambda: process.poll() is not None or os.path.exists(socket), 300, "the host's socket")
        assert process.returncode is None, log.read_text()
    assert "pytest" in run("make", "--dry-run", "--directory", tmp_path, "test")
    run("sh", "-ec", f"cd {tmp_path}\n{path}\n{pip}\nlamina --version")


@pytest.mark.requires("containerd", "runc", "umoci", "skopeo", "busybox-static")
def test_containerd_runs_a_container_with_the_snapshotter_of_the_readme(tree: Path) -> None:
    stanzas, use, aliases, _ = blocks("Use it from containerd")
    make_image(tree)
    (tree / "config.toml").write_text(aliases)
    (tree / "containerd.toml").write_text(f"version = 2\n{stanzas}")
    with served(tree, ".venv/bin/lamina serve") as type_, containerd(tree):
        type_(use.replace("IMAGE", IMAGE))
        assert len(type_("ctr snapshots --snapshotter lamina ls").splitlines()) > 1
        assert len(type_("lamina snapshots --snapshotter lamina-build ls").splitlines()) <= 1


def test_the_command_line_and_ctr_see_the_same_snapshots(tree: Path) -> None:
    commands = blocks("Use it from containerd")[-1]
    with served(tree, ".venv/bin/lamina serve") as type_:
        shown = type_(commands)
    assert shown.endswith(2 * " base\n  \\_ next\n")


@pytest.mark.requires("busybox-static")
def test_a_program_can_embed_the_snapshotters_repeatedly(tmp_path: Path) -> None:
    program, sandboxes = [block.replace("/var/tmp/sandboxes", str(tmp_path / "s")) for block in blocks("Embed it")]
    for _ in range(2):
        assert run(sys.executable, "-c", program).endswith("/tools\n")
    on_path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    printed = run(
        "sh", "-ec", f"cd {CHECKOUT}\n{sandboxes}", env={"PATH": on_path, "XDG_RUNTIME_DIR": str(tmp_path)}
    )
    assert len(re.findall(r"^sandbox \d: exit code 0, .*\n\d$", printed, re.MULTILINE)) == 8


def test_the_plugin_of_the_readme_answers_ctr(tree: Path) -> None:
    plugin, serve, ask = blocks("Write a snapshotter")
    (tree / "copies.py").write_text(plugin)
    with served(tree, serve) as type_:
        shown = type_(ask)
    assert re.search(r"^io\.containerd\.snapshotter\.v1 +copies +\S+ +ok$", shown, re.MULTILINE)
    (mounted,) = re.findall(r"^mount -t bind (\S+) /mnt -o rbind,rw$", shown, re.MULTILINE)
    assert mounted.startswith("/var/lib/lamina/io.containerd.snapshotter.v1.copies/")
    assert shown.endswith(" base\n  \\_ next\n")


def test_the_metrics_configuration_of_the_readme_works(tree: Path) -> None:
    (configuration,) = blocks("Run it in production")
    host = Host(tree, arguments=("--root", f"{tree}/root", "--state", f"{tree}/state"))
    host.file.write_text(configuration.replace(":1338", ":0"))
    with host.running():
        url = scraping.url_in(host.stderr)
        names = {family.name for family in scraping.families(url)}
    assert url.endswith("/v1/metrics")
    assert {"grpc_server_handled", "lamina_snapshots", "lamina_plugin_init_seconds"} <= names


def blocks(section: str) -> list[str]:
    """The code blocks of a section of the README."""
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@contextmanager
def containerd(tree: Path) -> Iterator[None]:
    """The machine's containerd, with a configuration that is in the tree, beside the host."""
    (tree / "containerd").mkdir()
    pid = int((tree / "pid").read_text())
    script = f"cp {tree}/containerd.toml /etc/containerd/config.toml; exec containerd"
    with Daemon(tree / "containerd", *beside(pid), "sh", "-ec", script).running():
        yield
