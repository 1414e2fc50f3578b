"""Options, help texts and errors of one line are alike in all commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lamina.cli.command import lamina

ROOT = click.Context(lamina)


def below(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        for name in command.list_commands(ROOT):
            inner = command.get_command(ROOT, name)
            assert inner is not None
            yield from below(inner, *path, name)


EVERY = dict(below(lamina))
COMMANDS = {path: one for path, one in EVERY.items() if not isinstance(one, click.Group)}
PRINTS_NO_RECORDS = {"completion", "config default", "config migrate", "serve", "snapshots cleanup"}
"""Commands that print nothing, or text for another program to read."""


def options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option)]


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_that_prints_has_json(path: str) -> None:
    has_json = any("--json" in one.opts for one in options(COMMANDS[path]))
    assert has_json == (path not in PRINTS_NO_RECORDS)


@pytest.mark.parametrize("path", EVERY)
def test_the_help_is_made_of_sentences(path: str) -> None:
    command = EVERY[path]
    assert re.fullmatch(r"[A-Z].*\.", (command.help or "").partition("\n\n")[0], re.DOTALL)
    for option in options(command):
        said, _, variable = (option.help or "").partition("  [env var: ")
        assert re.fullmatch(r"(trace, |[A-Z]).*\.", said), option
        assert re.fullmatch(r"(LAMINA_[A-Z_]+\])?", variable)
        assert not option.show_default, "the text says it"
        assert not option.envvar or option.show_envvar


@pytest.mark.parametrize("path", COMMANDS)
def test_shells_complete_what_names_a_file(path: str) -> None:
    context = click.Context(COMMANDS[path])
    named = [
        one
        for one in COMMANDS[path].params
        if one.metavar in {"FILE", "[FILE]", "SOCKET"} or {"--root", "--state"} & {*one.opts}
    ]
    completed = [{item.type for item in one.shell_complete(context, "/")} for one in named]
    assert completed == [{"file"}] * len(named)


def test_an_option_has_one_placeholder_in_all_commands() -> None:
    found: dict[str, set[str | None]] = {}
    for command in EVERY.values():
        for option in options(command):
            if not option.is_flag and not isinstance(option.type, click.Choice):
                found.setdefault(option.opts[-1], set()).add(option.metavar)
    assert {name: names for name, names in found.items() if len(names) > 1 or None in names} == {}


def takes_address(command: click.Command) -> bool:
    return any("--timeout" in one.opts for one in options(command))


@pytest.mark.parametrize("path", [path for path, one in COMMANDS.items() if takes_address(one)])
def test_a_host_that_cannot_be_reached_is_named_once_on_one_line(path: str, tmp_path: Path) -> None:
    arguments = [one for one in COMMANDS[path].params if isinstance(one, click.Argument) and one.required]
    words = ["registry.example.com/x" if one.name == "name" else str(tmp_path) for one in arguments]
    extra = ["--output", f"{tmp_path}/x"] if path == "images export" else []
    address = f"{tmp_path}/none.sock"
    done = CliRunner().invoke(lamina, [*path.split(), *extra, "--address", address, *words])
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("lamina: ")
    assert done.stderr.count(address) == 1
    assert done.stderr.endswith("is `lamina serve` running?\n")


def test_the_table_of_exit_codes_names_the_commands_that_find_problems() -> None:
    page = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    (said,) = re.findall(r"Commands that look for problems are .*?\n\n", page, re.DOTALL)
    found = {path for path, one in COMMANDS.items() if "Exits with" in (one.help or "")}
    assert {name for name in re.findall(r"`([a-z ]+)`", said) if name in COMMANDS} == found
