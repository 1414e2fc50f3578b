"""Which configuration a command is about: the options that say it, and everything that it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, TypeVar

import click

from lamina.cli._output import one_line
from lamina.config import Config, load
from lamina.host import Prepared, prepare
from lamina.plugin import Discovery

F = TypeVar("F", bound=Callable[..., Any])


class Overrides(TypedDict):
    """What the options of `override_options` are given as."""

    root: str | None
    state: str | None
    address: str | None
    log_level: str | None
    modules: Sequence[str]


def file_option(command: F) -> F:
    """Give a command the option `file`: the configuration file."""
    return click.option(
        "-c",
        "--config",
        "file",
        metavar="FILE",
        envvar="LAMINA_CONFIG",
        show_envvar=True,
        help="Configuration file.",
    )(command)


def file_argument(command: F) -> F:
    """Give a command the argument `file`: the configuration file."""
    return click.argument("file", metavar="[FILE]", required=False, envvar="LAMINA_CONFIG")(command)


def override_options(command: F) -> F:
    """Give a command the options that override the file: `Overrides`."""
    for option in reversed(_OVERRIDES):
        command = option(command)
    return command


modules_option = click.option(
    "-p", "modules", metavar="MODULE", multiple=True, help="Load this plugin module, too. Repeatable."
)
"""Gives a command the plugin modules to load besides those of installed packages."""

_OVERRIDES = (
    click.option("--root", metavar="DIR", help="Directory of what survives a reboot. Also LAMINA_ROOT."),
    click.option("--state", metavar="DIR", help="Directory of what does not. Also LAMINA_STATE."),
    click.option("-a", "--address", metavar="SOCKET", help="Unix socket to listen on. Also LAMINA_ADDRESS."),
    click.option(
        "-l",
        "--log-level",
        metavar="LEVEL",
        help="trace, debug, info, warn, error, fatal or panic. Also LAMINA_LOG_LEVEL.",
    ),
    modules_option,
)


def configuration(file: str | None, overrides: Overrides) -> Config:
    """What the file, its imports, the environment and the options say together.

    Args:
        file: The file; None: the default one, if it exists.
        overrides: The options.

    Raises:
        ConfigError: It is so wrong that the plugins cannot be looked for.
    """
    flags = {name: value for name, value in overrides.items() if name != "modules"}
    return load(file, defer=True).with_environment().with_overrides(**flags)  # type: ignore[arg-type] # all strings


def prepared(file: str | None, overrides: Overrides) -> Prepared:
    """A configuration with all of it decoded, and the plugins that are installed. What fails is told on stderr.

    Args:
        file: The file; None: the default one, if it exists.
        overrides: The options.

    Raises:
        ConfigError: With everything that is wrong.
    """
    found = prepare(configuration(file, overrides), overrides["modules"])
    tell_left_out(found.plan.discovery)
    return found


def tell_left_out(discovery: Discovery) -> None:
    """Tell on stderr what could not be loaded."""
    for plugin in discovery.failed:
        click.echo(one_line(f"lamina: {plugin.uri} is left out: {plugin.problem}"), err=True)
