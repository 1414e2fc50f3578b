"""Which configuration a command is about: the options that say it, and everything that it says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click
from click.core import ParameterSource

from lamina.cli.terminal.output import one_line

if TYPE_CHECKING:
    from lamina.config import Config
    from lamina.host import Prepared
    from lamina.plugin import Discovery

F = TypeVar("F", bound=Callable[..., Any])


class Overrides(TypedDict):
    """What the options of `override_options` are given as."""

    root: str | None
    state: str | None
    address: str | None
    log_level: str | None
    modules: Sequence[str]


file_option = click.option(
    "-c", "--config", "file", metavar="FILE", envvar="LAMINA_CONFIG", show_envvar=True, help="Configuration file."
)
"""Gives a command the option `file`: the configuration file."""


def file_argument(command: F) -> F:
    """Give a command the argument `file`, the configuration file, which other commands' option names as well."""
    argument = click.argument(
        "file", metavar="[FILE]", required=False, envvar="LAMINA_CONFIG", callback=_argument_or_option
    )
    return argument(_file_option_beside_argument(command))


def _argument_or_option(context: click.Context, parameter: click.Parameter, argument: str | None) -> str | None:
    """The file that is named, however it is. What is typed beats the environment."""
    option: str | None = context.meta.get(_META)
    typed = context.get_parameter_source("file") is ParameterSource.COMMANDLINE
    if option is not None and typed:
        raise click.BadParameter("named twice: once with -c, and once without", context, parameter)
    return argument if option is None else option


def _remember(context: click.Context, _: click.Parameter, option: str | None) -> None:
    context.meta[_META] = option


_META = "lamina.cli.file"
"""The name of the option's value in `click.Context.meta`, where the argument finds it."""
_file_option_beside_argument = click.option(
    "-c",
    "--config",
    "option",
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=_remember,
    help="Configuration file, as of other commands.",
)


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


def configuration(file: str | None, overrides: Overrides | None = None) -> Config:
    """What the file, its imports, the environment and the options say together.

    Args:
        file: The file; None: the default one, if it exists.
        overrides: The options; None: the command has none.

    Raises:
        ConfigError: It is so wrong that the plugins cannot be looked for.
    """
    from lamina.config import load

    flags = {name: value for name, value in (overrides or {}).items() if name != "modules"}
    return load(file, defer=True).with_overrides(os.environ, **flags)  # type: ignore[arg-type] # all strings


def prepared(file: str | None, overrides: Overrides) -> Prepared:
    """A configuration with all of it decoded, and the plugins that are installed. What fails is told on stderr.

    Args:
        file: The file; None: the default one, if it exists.
        overrides: The options.

    Raises:
        ConfigError: With everything that is wrong.
    """
    from lamina.host import prepare

    found = prepare(configuration(file, overrides), overrides["modules"])
    tell_left_out(found.plan.discovery)
    return found


def tell_warnings(warnings: Iterable[str]) -> None:
    """Tell on stderr what is not as somebody may have meant it."""
    for warning in warnings:
        click.echo(one_line(f"lamina: warning: {warning}"), err=True)


def tell_left_out(discovery: Discovery) -> None:
    """Tell on stderr what could not be loaded."""
    for plugin in discovery.failed:
        click.echo(one_line(f"lamina: {plugin.uri} is left out: {plugin.problem}"), err=True)
