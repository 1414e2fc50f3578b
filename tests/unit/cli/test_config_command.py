"""`lamina config`, and what the command itself imports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.config import load


def run(*arguments: str, python: tuple[str, ...] = (), path: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, "-m", "lamina.cli.main", *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def imported(*arguments: str) -> set[str]:
    """The modules that a command imports, by their top-level names."""
    log = run(*arguments, python=("-X", "importtime")).stderr
    return set(re.findall(r"^import time:.*\| +(\w+)", log, re.MULTILINE))


def test_config_default_prints_a_file_that_can_be_loaded(tmp_path: Path) -> None:
    done = run("config", "default")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n")
    (tmp_path / "config.toml").write_text(done.stdout)
    config = load(tmp_path / "config.toml")
    assert "io.containerd.snapshotter.v1.overlayfs" in config.plugins


def test_config_default_tells_of_packages_that_it_cannot_load(tmp_path: Path) -> None:
    info = tmp_path / "torn-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[lamina.plugins]\nup = torn_apart_by_test\n")
    (tmp_path / "torn_apart_by_test.py").write_text("raise RuntimeError('in pieces')\n")
    done = run("config", "default", path=str(tmp_path))
    assert done.returncode == 0
    assert "[debug]" in done.stdout
    assert done.stderr == ("lamina: io.lamina.entry-point.v1.torn:up is left out: RuntimeError: in pieces\n")


def test_config_default_imports_neither_grpc_nor_rich() -> None:
    assert not imported("config", "default") & {"grpc", "rich"}


@pytest.mark.parametrize("subcommand", [(), ("config",), ("plugins",), ("serve",), ("snapshots",)])
def test_help_imports_neither_grpc_nor_rich(subcommand: tuple[str, ...]) -> None:
    assert not imported(*subcommand, "--help") & {"grpc", "rich"}


def test_help_lists_the_subcommands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert re.findall(r"^  (\w+)  ", done.stdout, re.MULTILINE) == ["config", "plugins", "serve", "snapshots"]


def test_version_names_the_program() -> None:
    assert re.fullmatch(r"lamina, version \d+\.\d+\.\d+\n", run("--version").stdout)


def test_an_unknown_subcommand_is_a_usage_error() -> None:
    done = run("frobnicate")
    assert done.returncode == 2
    assert "frobnicate" in done.stderr
