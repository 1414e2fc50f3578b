"""The guides for plugin authors: their plugin, its tests and its package work as printed."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import tomli

from tests.support.commands import run
from tests.support.directories import CHECKOUT

GUIDES = CHECKOUT / "docs/plugins"


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A directory with the module `clock`, of the first guide."""
    (tmp_path / "clock.py").write_text(blocks("writing", "python")[0])
    return tmp_path


def blocks(guide: str, language: str) -> list[str]:
    text = (GUIDES / f"{guide}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def shell(directory: Path, script: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {"PATH": path, "PYTEST_ADDOPTS": "-p no:cacheprovider --basetemp=temporary"}
    return run("sh", "-ec", f"cd {directory}\n{script}", env=variables)


def test_the_commands_know_the_plugin_of_the_first_guide(clock: Path) -> None:
    shown = shell(clock, blocks("writing", "sh")[0])
    assert re.search(r"^ *\d+  com\.example\.clock\.v1\.local$", shown, re.MULTILINE)
    assert "com.example.clock.v1.local: " in shown


def test_the_tests_of_the_guide_pass(clock: Path) -> None:
    first, second, *_ = blocks("testing", "python")
    (clock / "test_clock.py").write_text(f"{second}\n\n{first}")
    assert "2 passed" in shell(clock, blocks("testing", "sh")[0])


def test_the_package_of_the_guide_names_the_module(clock: Path) -> None:
    (project,) = map(tomli.loads, blocks("publishing", "toml"))
    assert project["project"]["entry-points"]["lamina.plugins"] == {"clock": "clock"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == ["clock.py"]
    assert project["tool"]["pytest"] == tomli.loads(blocks("testing", "toml")[0])["tool"]["pytest"]


def test_the_hook_of_the_guide_is_called_for_failed_plugins(tmp_path: Path) -> None:
    module = blocks("hooks", "python")[0] + (
        "\n\nfrom lamina.plugin import Registration\n\n\n@hookimpl\ndef lamina_register():\n"
        '    return [Registration(type="com.example.clock.v1", id="broken", init=lambda ic: 1 / 0)]\n'
    )
    (tmp_path / "counting.py").write_text(module)
    (tmp_path / "test_counting.py").write_text(
        'def test_it(lamina_host):\n    lamina_host("counting", program="nothing")\n'
        '    import counting\n    assert counting.failures == ["com.example.clock.v1.broken"]\n'
    )
    assert "1 passed" in shell(tmp_path, "PYTHONPATH=. pytest -p lamina.testing.plugin test_counting.py")
