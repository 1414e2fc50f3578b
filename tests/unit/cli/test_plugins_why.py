"""`lamina plugins why` and the sources of its answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs
import pytest

from lamina.api import PluginDetails
from lamina.cli.plugins.root_cause import from_host, text
from lamina.client import RemotePlugin
from lamina.errdefs import Unknown
from lamina.places import default_address
from tests.support.commands import CommandFailed
from tests.support.directories import short_directory
from tests.support.processes.forked import printed
from tests.support.processes.hosts import Host

SOURCE = """
from lamina.plugin import Registration, SkipPlugin, hookimpl

def works(ic):
    return object()

def fails(ic):
    raise ValueError("cable cut")

def skips(ic):
    raise SkipPlugin("no tape here")

def plugin(uri, init, *requires):
    type, _, id = uri.rpartition(".")
    return Registration(type=type, id=id, requires=requires, init=init)

@hookimpl
def lamina_register():
    return [
        plugin("x.line.v1.cable", fails),
        plugin("x.phone.v1.red", works, "x.line.v1"),
        plugin("x.call.v1.mum", works, "x.phone.v1"),
        plugin("x.tape.v1.tape", skips),
        plugin("x.off.v1.off", works),
        plugin("x.wants.v1.off", works, "x.off.v1"),
        plugin("x.wants.v1.more", works, "x.wants.v1x"),
    ]
"""

CONFIG = """\
version = 4
root = "{0}/root"
state = "{0}/state"
disabled_distributions = ["lamina"]
disabled_plugins = ["x.off.v1.off"]
"""

FORESEEN = "No host was asked. Predicted from {}/config.toml: only a host can tell whether a plugin initialises."


@attrs.frozen
class Site:
    """A directory with a module that has plugins, and a configuration without others."""

    path: Path

    def why(self, *arguments: str) -> str:
        options = ("--config", self.path / "config.toml", "-p", "phones")
        return printed("plugins", "why", *arguments, *options, env={"PYTHONPATH": str(self.path)})

    def answer(self, uri: str) -> list[str]:
        """Return the answer from the configuration, without its last line."""
        *lines, empty, told = self.why(uri).splitlines()
        assert (empty, told) == ("", FORESEEN.format(self.path))
        return lines


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "phones.py").write_text(SOURCE)
    (tmp_path / "config.toml").write_text(CONFIG.format(tmp_path))
    return Site(tmp_path)


def test_a_plugin_that_would_be_loaded(site: Site) -> None:
    assert site.answer("x.call.v1.mum") == [
        "x.call.v1.mum: to be initialised as number 3 of 4, after x.phone.v1.red"
    ]


def test_a_disabled_plugin_with_the_line_that_disables_it(site: Site) -> None:
    assert site.answer("x.off.v1.off") == [
        f"x.off.v1.off: disabled: it is in disabled_plugins ({site.path}/config.toml:5)"
    ]


def test_a_plugin_that_requires_a_disabled_one(site: Site) -> None:
    assert site.answer("x.wants.v1.off") == [
        "x.wants.v1.off: blocked: no plugin provides x.off.v1",
        f"└─ x.off.v1.off: disabled: it is in disabled_plugins ({site.path}/config.toml:5)",
    ]


def test_a_plugin_with_an_unknown_requirement_names_the_packages_that_were_not_loaded(site: Site) -> None:
    first, empty, *notes = site.answer("x.wants.v1.more")
    assert (first, empty) == ("x.wants.v1.more: blocked: no plugin provides x.wants.v1x", "")
    assert "Not imported because its distribution is in disabled_distributions: lamina:overlayfs" in notes


def test_a_plugin_that_is_not_installed_is_told_with_the_nearest_name(site: Site) -> None:
    assert site.answer("x.call.v1.mom")[0] == (
        "x.call.v1.mom: absent: no installed package registers it (did you mean x.call.v1.mum?)"
    )


def test_an_entry_point_whose_distribution_is_disabled_is_said_to_be(site: Site) -> None:
    uri = "io.lamina.entry-point.v1.lamina:overlayfs"
    assert site.answer(uri) == [f"{uri}: disabled: lamina is in disabled_distributions and was not imported"]


def test_a_note_says_that_the_host_would_not_start(site: Site) -> None:
    with (site.path / "config.toml").open("a") as config:
        config.write('required_plugins = ["x.off.v1.off"]\n')
    assert site.answer("x.tape.v1.tape")[1:] == [
        "",
        "The host would not start: required plugin x.off.v1.off is disabled: it is also in disabled_plugins",
    ]


def test_json_names_the_source(site: Site) -> None:
    document = json.loads(site.why("x.wants.v1.off", "--json"))
    assert document["Source"] == {"Kind": "configuration", "File": f"{site.path}/config.toml"}
    assert (document["URI"], document["Status"]) == ("x.wants.v1.off", "blocked")
    assert [(link["URI"], link["Status"]) for link in document["Chain"]] == [
        ("x.wants.v1.off", "blocked"),
        ("x.off.v1.off", "disabled"),
    ]


def test_a_named_host_must_be_running(site: Site) -> None:
    with pytest.raises(CommandFailed, match="exit code 1\nlamina: "):
        site.why("x.call.v1.mum", "-a", f"{site.path}/none.sock")


def test_a_typed_file_is_preferred_to_a_host_of_the_environment(site: Site) -> None:
    variables = {"PYTHONPATH": str(site.path), "LAMINA_ADDRESS": f"{site.path}/none.sock"}
    words = ("plugins", "why", "x.call.v1.mum", "-p", "phones")
    said = printed(*words, "-c", site.path / "config.toml", env=variables)
    assert said.endswith(FORESEEN.format(site.path) + "\n")
    with pytest.raises(CommandFailed, match=r"none\.sock"):
        printed(*words[:3], env=variables | {"LAMINA_CONFIG": f"{site.path}/config.toml"})


def test_a_typed_file_must_be_readable_though_a_host_is_asked(site: Site) -> None:
    (site.path / "config.toml").unlink()
    with pytest.raises(CommandFailed, match=r"config\.toml: cannot be read"):
        site.why("x.call.v1.mum", "-a", f"{site.path}/none.sock")


def test_a_graph_has_no_address(site: Site) -> None:
    with pytest.raises(CommandFailed, match="graph shows a configuration and asks no host: leave out --address"):
        printed("plugins", "-a", f"{site.path}/none.sock", "graph", env={})


@pytest.mark.skipif(os.path.exists(default_address()), reason="a host runs")
def test_a_host_that_does_not_run_at_the_default_address_is_named() -> None:
    said = printed("plugins", "why", "snapshots", env={})
    assert said.splitlines()[-1].startswith(f"No host runs at {default_address()}. Predicted from ")


def test_a_missing_plugin_is_explained_by_the_configuration() -> None:
    with short_directory() as directory:
        (directory / "phones.py").write_text(SOURCE)
        host = Host(directory, arguments=("-p", "phones"), environment={"PYTHONPATH": str(directory)})
        host.file.write_text(CONFIG.format(directory).replace('disabled_distributions = ["lamina"]\n', ""))
        with host.running():
            address = host.address
            site = Site(directory)
            assert site.why("x.call.v1.mum", "-a", address).splitlines() == [
                "x.call.v1.mum: blocked: it requires x.phone.v1",
                "└─ x.phone.v1.red: blocked: it requires x.line.v1",
                "   └─ x.line.v1.cable: failed: ValueError: cable cut",
                f"         at {directory}/phones.py:8, in fails (phones)",
                "",
                f"Reported by the host at {address}.",
            ]
            for name in ("x.tape.v1.tape", "tape"):
                assert site.why(name, "-a", address).splitlines()[0] == "x.tape.v1.tape: skipped: no tape here"
            no_such = f"The host at {address} has no such plugin."
            absent = FORESEEN.format(directory).replace("No host was asked.", no_such)
            assert site.why("x.off.v1.off", "-a", address).splitlines()[0::2] == [
                f"x.off.v1.off: disabled: it is in disabled_plugins ({directory}/config.toml:4)",
                absent,
            ]
            document = json.loads(site.why("x.line.v1.cable", "-a", address, "--json"))
            assert document["Source"] == {"Kind": "host", "Address": address}
            assert document["Chain"][0]["Location"]["Function"] == "fails"


def test_a_unique_id_identifies_its_plugin(site: Site) -> None:
    assert site.answer("cable") == site.answer("x.line.v1.cable")
    with pytest.raises(CommandFailed, match=r"off is the id of several plugins: .*x\.off\.v1\.off"):
        site.why("off")
    assert site.answer("cabel")[0].endswith("(did you mean x.line.v1.cable?)")


def test_the_init_time_of_a_working_plugin_is_shown() -> None:
    answer = from_host([RemotePlugin("a.v1", "x", details=PluginDetails(milliseconds=1.25))], "a.v1.x")
    assert answer is not None
    assert list(text(answer)) == ["a.v1.x: ok: initialised in 1.2 ms"]


def test_a_failed_plugin_of_containerd_is_reported_with_its_message() -> None:
    plugins = [
        RemotePlugin("a.v1", "skipped", init_error=Unknown("no btrfs: skip plugin")),
        RemotePlugin("a.v1", "failed", init_error=Unknown("no disk")),
    ]
    answers = [from_host(plugins, plugin.uri) for plugin in plugins]
    assert [list(text(answer)) for answer in answers if answer] == [
        ["a.v1.skipped: skipped: no btrfs"],
        ["a.v1.failed: failed: no disk"],
    ]
