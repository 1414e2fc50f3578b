"""`lamina plugins graph` draws the plugins of a host without starting it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import attrs
import pytest

from lamina.cli.plugins.graph import PluginNode, Requirement, dot, mermaid
from tests.support.commands import CommandFailed, run

SOURCE = """
from lamina.plugin import Registration, hookimpl

def never(ic):
    raise AssertionError("nothing is to be initialised")

def plugin(uri, *requires):
    type, _, id = uri.rpartition(".")
    return Registration(type=type, id=id, requires=requires, init=never)

@hookimpl
def lamina_register():
    return [
        plugin("x.roof.v1.red", "x.wall.v1"),
        plugin("x.wall.v1.east"),
        plugin("x.wall.v1.west"),
        plugin("x.door.v1.front", "x.key.v1"),
        plugin("x.log.v1.all", "*"),
    ]
"""

CONFIG = """\
version = 4
root = "{0}/root"
state = "{0}/state"
disabled_distributions = ["lamina"]
disabled_plugins = ["x.wall.v1.west"]
"""


@attrs.frozen
class Site:
    """A directory with a module that has plugins, and a configuration without others."""

    path: Path

    def lamina(self, *arguments: str) -> str:
        command = (sys.executable, "-m", "lamina.cli.main", "plugins", *arguments)
        options = ("--config", str(self.path / "config.toml"), "-p", "house")
        # Python's own cache is no matter of the command's.
        environment = {"PYTHONPATH": str(self.path), "PYTHONDONTWRITEBYTECODE": "1"}
        return run(*command, *options, env=environment)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "house.py").write_text(SOURCE)
    (tmp_path / "config.toml").write_text(CONFIG.format(tmp_path))
    return Site(tmp_path)


def without_built_ins(lines: list[str]) -> list[str]:
    return [line for line in lines if "not imported" not in line]


def test_the_text_shows_order_and_requirements(site: Site) -> None:
    lines = site.lamina("graph").splitlines()
    assert without_built_ins(lines) == [
        "1  x.wall.v1.east",
        "2  x.roof.v1.red",
        "   ├─ x.wall.v1.east",
        "   └─ x.wall.v1.west (disabled)",
        "-  x.door.v1.front  blocked: no plugin provides x.key.v1",
        "   └─ x.key.v1 (no plugin provides it)",
        "3  x.log.v1.all",
        "   └─ * (every other plugin)",
        "-  x.wall.v1.west  disabled: in disabled_plugins",
    ]
    assert "-  lamina:overlayfs  not imported: its distribution is in disabled_distributions" in lines


def test_nothing_is_created_in_the_file_system(site: Site) -> None:
    before = sorted(site.path.iterdir())
    site.lamina("graph")
    assert sorted(site.path.iterdir()) == before


def test_json_has_the_plugins_behind_each_required_type(site: Site) -> None:
    document = json.loads(site.lamina("graph", "--json"))
    assert document == json.loads(site.lamina("graph", "--format", "json"))
    nodes = {node["URI"]: node for node in document["Plugins"]}
    assert nodes["x.roof.v1.red"] == {
        "URI": "x.roof.v1.red",
        "Status": "init",
        "Reason": "",
        "Distribution": "house",
        "Requires": [{"Type": "x.wall.v1", "Plugins": ["x.wall.v1.east", "x.wall.v1.west"]}],
    }
    assert nodes["x.log.v1.all"]["Requires"] == [{"Type": "*", "Plugins": []}]
    assert {uri: node["Status"] for uri, node in nodes.items() if node["Status"] != "init"} == {
        "x.door.v1.front": "blocked",
        "x.wall.v1.west": "disabled",
    }
    assert "lamina:overlayfs" in document["NotImported"]
    assert document["Refusal"] == ""


def test_a_host_that_would_not_start_is_reported(site: Site) -> None:
    with (site.path / "config.toml").open("a") as config:
        config.write('required_plugins = ["x.door.v1.front"]\n')
    refusal = "load required plugin x.door.v1.front: no plugin provides x.key.v1"
    assert site.lamina("graph").splitlines()[-1] == f"The host would not start: {refusal}"
    assert json.loads(site.lamina("graph", "--json"))["Refusal"] == refusal


def test_a_cycle_is_shown_as_a_path(site: Site) -> None:
    source = SOURCE.replace('plugin("x.wall.v1.east")', 'plugin("x.wall.v1.east", "x.roof.v1")')
    (site.path / "house.py").write_text(source)
    path = "x.roof.v1.red -> x.wall.v1.east -> x.roof.v1.red"
    with pytest.raises(CommandFailed, match=f"\nlamina: circular plugin dependency: {path}\n"):
        site.lamina("graph")


ODD = 'x.v1.a"b\\c/d&amp;[e]|`f'
NODES = [
    PluginNode("x.v1.a", "init", requires=(Requirement("y.v1", (ODD,)), Requirement("z.v1", ()))),
    PluginNode(ODD, "failed"),
    PluginNode("w.v1.all", "init", requires=(Requirement("*", ()),)),
]


def test_mermaid_escapes_special_characters() -> None:
    assert list(mermaid(NODES))[:9] == [
        "flowchart LR",
        '    n0["x.v1.a"]',
        '    n1["x.v1.a#34;b#92;c/d#38;amp#59;#91;e#93;#124;#96;f (failed)"]:::failed',
        '    n2["w.v1.all"]',
        '    n3["z.v1 (no plugin provides it)"]:::absent',
        "    n0 --> n1",
        "    n0 --> n3",
        "    n2 --> n0",
        "    n2 --> n1",
    ]


def test_dot_escapes_special_characters() -> None:
    assert list(dot(NODES)) == [
        "digraph plugins {",
        "    rankdir=LR",
        '    node [shape=box, style=filled, fillcolor="#ffffff"]',
        '    n0 [label="x.v1.a"]',
        '    n1 [label="x.v1.a\\"b\\\\c/d&amp;amp;[e]|`f (failed)", style="filled,dashed", fillcolor="#ffb3b3"]',
        '    n2 [label="w.v1.all"]',
        '    n3 [label="z.v1 (no plugin provides it)", style="filled,dashed", fillcolor="#ffffff"]',
        "    n0 -> n1",
        "    n0 -> n3",
        "    n2 -> n0",
        "    n2 -> n1",
        "}",
    ]


@pytest.mark.parametrize(("form", "first"), [("mermaid", "flowchart LR"), ("dot", "digraph plugins {")])
def test_a_drawing_has_no_other_output(site: Site, form: str, first: str) -> None:
    assert site.lamina("graph", "--format", form).splitlines()[0] == first
