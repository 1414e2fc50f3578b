"""The command `lamina` itself: its help, imports and errors."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lamina.cli.command import lamina
from lamina.cli.options.environment import unknown_variables
from lamina.cli.version import version
from tests.support.commands import CommandFailed, environment, imported, run
from tests.support.directories import short_directory
from tests.support.processes.hosts import Host

LAMINA = (sys.executable, "-m", "lamina")


def refusal(*words: str) -> str:
    """The last line of what is said of words that are no command."""
    done = subprocess.run([*LAMINA, *words], capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "subcommand", [(), ("config",), ("diagnose",), ("images",), ("plugins",), ("serve",), ("snapshots",)]
)
def test_help_imports_neither_grpc_nor_rich(subcommand: tuple[str, ...]) -> None:
    assert not imported(*subcommand, "--help") & {"grpc", "rich"}


def test_help_imports_only_click_and_a_few_modules() -> None:
    slow = {"attr", "google.protobuf", "importlib.metadata", "json", "logging", "lamina.config"}
    assert not imported("--help") & slow


def test_listing_snapshots_imports_neither_grpc_nor_the_host(tmp_path: Path) -> None:
    modules = imported("snapshots", "ls", "-a", f"{tmp_path}/s")
    assert "lamina.client._http2" in modules
    slow = {"grpc", "importlib.metadata", "json", "logging", "rich"}
    assert not modules & (slow | {"lamina.config", "lamina.fs", "lamina.mount", "lamina.plugin", "lamina.steps"})


def test_committing_an_image_imports_neither_other_transfers_nor_snapshotters(tmp_path: Path) -> None:
    modules = imported("images", "-a", f"{tmp_path}/s", "commit", "key", "name")
    assert "lamina.client._transfer" in modules
    slow = {"grpc", "importlib.metadata", "json", "logging", "rich"}
    unused = {
        "lamina.client._snapshotter",
        "lamina.images._results",
        "lamina.registry",
        "lamina.snapshots._contract",
    }
    assert not modules & (slow | unused)


def test_help_lists_the_commands() -> None:
    assert re.findall(r"^  (\w[\w-]*)  ", run(*LAMINA, "--help").partition("Commands:")[2], re.MULTILINE) == [
        "completion",
        "config",
        "containerd-config",
        "content",
        "diagnose",
        "doctor",
        "images",
        "leases",
        "metastore",
        "plugins",
        "serve",
        "snapshots",
        "version",
    ]


@pytest.mark.parametrize(
    "group",
    [(), ("config",), ("content",), ("images",), ("leases",), ("metastore",), ("plugins",), ("snapshots",)],
)
def test_each_summary_fits_on_one_line_of_80_columns(group: tuple[str, ...]) -> None:
    help_text = CliRunner().invoke(lamina, [*group, "--help"], terminal_width=78).output
    commands = help_text.partition("Commands:\n")[2].splitlines()
    assert commands
    assert not [line for line in commands if re.fullmatch(r"  [\w-]+ +\S.*[^.]|   .*|.*\.\.\.|.{81,}", line)]


def test_the_command_list_shows_the_first_line_of_each_help() -> None:
    context = click.Context(lamina)
    listed = {item.value: item.help for item in lamina.shell_complete(context, "")}
    for name in lamina.list_commands(context):
        command = lamina.get_command(context, name)
        assert command is not None
        assert f"{listed[name]}" == command.get_short_help_str(1000)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("plugin",), "plugins"),
        (("image", "ls"), "images"),
        (("snapshot", "ls"), "snapshots"),
        (("plugins", "list"), "ls"),
        (("snapshots", "list"), "ls"),
        (("snapshots", "remove", "key"), "rm"),
        (("snapshots", "umount", "/mnt"), "unmount"),
        (("metastore", "check-it"), "check"),
        (("config", "explane"), "explain"),
    ],
)
def test_an_unknown_command_is_reported_with_the_nearest_one(words: tuple[str, ...], meant: str) -> None:
    assert refusal(*words).endswith(f"Did you mean {meant!r}?")


def test_an_unknown_command_without_a_similar_one_is_refused() -> None:
    assert refusal("frobnicate") == "Error: No such command 'frobnicate'."


def test_an_unknown_variable_is_reported_with_the_nearest_one() -> None:
    variables = {"LAMINA_SNAPSHOTER": "btrfs", "LAMINA_ROOT": "/r", "_LAMINA_X": "1"}
    done = subprocess.run(
        [*LAMINA, "config", "check"], capture_output=True, text=True, env=environment() | variables, check=True
    )
    told = "unknown environment variable LAMINA_SNAPSHOTER: did you mean LAMINA_SNAPSHOTTER?"
    assert done.stderr == f"lamina: warning: {told}\n"


def test_an_unknown_variable_that_has_only_the_prefix_of_others_is_reported_with_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAMINA_REQUIRE", "all")
    (told,) = (one for one in unknown_variables() if "LAMINA_REQUIRE" in one)
    assert told.startswith(
        "unknown environment variable LAMINA_REQUIRE: known are LAMINA_ADDRESS, LAMINA_CONFIG, "
    )


def unknown_fields(directory: Path, *words: str) -> list[str]:
    """Return the warnings about filters of a command, without a host."""
    with pytest.raises(CommandFailed) as caught:
        run(*LAMINA, *words, "-a", f"{directory}/s")
    return [line.partition("warning: ")[2] for line in str(caught.value).splitlines() if "warning" in line]


def test_an_unknown_filter_field_is_reported_with_the_nearest_one(tmp_path: Path) -> None:
    told = ["unknown snapshot field nam: did you mean name?"]
    assert unknown_fields(tmp_path, "snapshots", "ls", "nam==x,labels.a", "parent", "kind==view") == told
    assert unknown_fields(tmp_path, "snapshots", "tree", "nam") == told
    told = ["unknown plugin field status: known are type, id"]
    assert unknown_fields(tmp_path, "plugins", "ls", "status==ok", "id==x", "type~=y") == told


def test_the_option_prints_program_and_version() -> None:
    assert re.fullmatch(r"lamina, version \d+\.\d+\.\d+\n", run(*LAMINA, "--version"))


def test_without_a_host_the_version_is_that_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "LAMINA_ADDRESS": None}
    text = CliRunner().invoke(version, env=environ).output
    assert re.fullmatch(r"Client:\n  Version:  \d+\.\d+\.\d+\n  Python:   3\.\d+\.\d+\n", text)
    assert json.loads(CliRunner().invoke(version, ["--json"], env=environ).output)["Server"] is None


def test_the_version_of_a_stopped_host_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="is `lamina serve` running"):
        run(*LAMINA, "version", "-a", f"{tmp_path}/lamina.sock")


def test_the_versions_of_host_and_command_are_shown() -> None:
    with short_directory() as directory, Host(directory).running() as host:
        both = json.loads(run(*LAMINA, "version", "-a", host.address, "--json"))
        assert both["Server"]["Version"] == both["Client"]["Version"]
        assert re.fullmatch(r"[0-9a-f-]{36}", both["Server"]["UUID"])
        text = run(*LAMINA, "version", "-a", host.address)
        assert f"Server:\n  Version:  {both['Server']['Version']}\n" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_accepts_its_completion_script(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(run(*LAMINA, "completion", shell))
    assert "_LAMINA_COMPLETE" in script.read_text()
    if shutil.which(shell):
        run(shell, "-n", script)


def test_help_shows_a_line_for_the_completion_of_each_shell() -> None:
    lines = run(*LAMINA, "completion", "--help").splitlines()
    for shell in ("bash", "zsh", "fish"):
        assert any(line.startswith(f"  {shell}:") and f" lamina completion {shell} > " in line for line in lines)


def test_bash_completes_commands() -> None:
    variables = {"_LAMINA_COMPLETE": "bash_complete", "COMP_WORDS": "lamina snap", "COMP_CWORD": "1"}
    assert run(*LAMINA, env=variables) == "plain,snapshots\n"
