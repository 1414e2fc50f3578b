"""The pages show what commands print."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.commands import CommandFailed, run
from tests.support.directories import CHECKOUT, short_directory
from tests.support.processes.hosts import Host

LAMINA = (sys.executable, "-m", "lamina")
EXCHANGE = """\
from lamina.plugin import Registration, hookimpl


def init_line(ic):
    raise ConnectionError("cable cut")


@hookimpl
def lamina_register():
    for type_, id_, requires, init in (
        ("com.example.line.v1", "cable", (), init_line),
        ("com.example.call.v1", "phone", ("com.example.line.v1",), id),
        ("com.example.fax.v1", "desk", ("com.example.paper.v1",), id),
    ):
        yield Registration(type=type_, id=id_, requires=requires, init=init)
"""


def sample(page: str, containing: str) -> str:
    """The block of a page that has a text in it."""
    text = (CHECKOUT / "docs" / page).read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if containing in block]
    return str(block)


def test_mistakes_in_a_configuration_are_shown_as_they_are_printed(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('version = 4\nrot = 1\n\n[plugins."io.containerd.server.v1.grpc"]\nuid = "me"\n')
    with pytest.raises(CommandFailed) as failed:
        run(*LAMINA, "config", "check", file)
    _, *shown = sample("configuration.md", "$ lamina config check").splitlines()
    printed = str(failed.value).replace(str(file), "/etc/lamina/config.toml")
    assert [line for line in shown if line not in printed] == []


def test_an_explanation_is_shown_as_it_is_printed(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("version = 4\n")
    command = (*LAMINA, "config", "explain", "-c", tmp_path / "config.toml", "debug.level")
    printed = run(*command, env={"LAMINA_LOG_LEVEL": "debug"})
    assert sample("configuration.md", "config explain debug.level").partition("\n")[2] == printed


def test_graphs_and_reasons_are_shown_as_they_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_directory() as directory:
        monkeypatch.setenv("PYTHONPATH", str(directory))
        (directory / "exchange.py").write_text(EXCHANGE)
        host = Host(directory, 'disabled_plugins = ["io.containerd.snapshotter.v1.btrfs"]\n', ("-p", "exchange"))
        graph = run(*LAMINA, "plugins", "graph", "-c", host.file, "-p", "exchange")
        with host.running():
            reason = run(*LAMINA, "plugins", "-a", host.address, "why", "com.example.call.v1.phone")
    reason = re.sub(r"at \S*/exchange\.py:\d+", "at …", reason.replace(host.address, "…"))
    shown = re.sub(r"at /usr\S*/exchange\.py:\d+", "at …", sample("plugins/inspecting.md", "plugins why"))
    assert shown.partition("\n")[2].replace("/run/lamina/lamina.sock", "…") == reason
    assert re.sub(r"^ *\d+ ", "", sample("plugins/inspecting.md", "10  com"), flags=re.MULTILINE) in re.sub(
        r"^ *\d+ ", "", graph, flags=re.MULTILINE
    )
