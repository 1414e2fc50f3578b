"""Options that select a configuration and override it."""

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
    """The values of the options that `override_options` adds."""

    root: str | None
    state: str | None
    address: str | None
    log_level: str | None
    modules: Sequence[str]


_path = click.Path(readable=False)
"""Has shells complete a path. The code that opens the file reports problems."""

file_option = click.option(
    "-c",
    "--config",
    "file",
    metavar="FILE",
    type=_path,
    envvar="LAMINA_CONFIG",
    show_envvar=True,
    help="Configuration file.",
)
"""Adds the option `file`, the configuration file, to a command."""


def file_argument(command: F) -> F:
    """Add the argument `file`, the configuration file, which can also be given as `-c`."""
    argument = click.argument(
        "file", metavar="[FILE]", type=_path, required=False, envvar="LAMINA_CONFIG", callback=_argument_or_option
    )
    return argument(_file_option_beside_argument(command))


def _argument_or_option(context: click.Context, parameter: click.Parameter, argument: str | None) -> str | None:
    """Return the file given as an argument or option. The command line takes precedence over the environment."""
    option: str | None = context.meta.get(_META)
    typed = context.get_parameter_source("file") is ParameterSource.COMMANDLINE
    if option is not None and typed:
        raise click.BadParameter("given twice: with -c and as an argument", context, parameter)
    return argument if option is None else option


def _remember(context: click.Context, _: click.Parameter, option: str | None) -> None:
    context.meta[_META] = option


_META = "lamina.cli.file"
"""The option's key in `click.Context.meta`, which the argument's callback reads."""
_file_option_beside_argument = click.option(
    "-c",
    "--config",
    "option",
    metavar="FILE",
    type=_path,
    is_eager=True,
    expose_value=False,
    callback=_remember,
    help="Configuration file.  [env var: LAMINA_CONFIG]",
)


def override_options(command: F) -> F:
    """Add the options that override the file: `Overrides`."""
    for option in reversed(_OVERRIDES):
        command = option(command)
    return command


def _overriding(
    *names: str,
    metavar: str,
    type_: click.ParamType[Any] = _path,
    help: str,  # noqa: A002 - as in click
) -> Callable[[F], F]:
    """Return an option that overrides a setting. The configuration itself reads its environment variable."""
    variable = f"LAMINA_{names[-1][2:].upper().replace('-', '_')}"
    return click.option(*names, metavar=metavar, type=type_, help=f"{help}  [env var: {variable}]")


modules_option = click.option(
    "-p", "modules", metavar="MODULE", multiple=True, help="Load this plugin module too. Repeatable."
)
"""Adds the option `modules`: plugin modules to load besides those of installed packages."""

_OVERRIDES = (
    _overriding("--root", metavar="DIR", help="Directory for persistent data."),
    _overriding("--state", metavar="DIR", help="Directory for data that need not survive a reboot."),
    _overriding("-a", "--address", metavar="SOCKET", help="Unix socket to listen on."),
    _overriding(
        *("-l", "--log-level"),
        metavar="LEVEL",
        type_=click.STRING,
        help="trace, debug, info, warn, error, fatal or panic.",
    ),
    modules_option,
)


def configuration(file: str | None, overrides: Overrides | None = None) -> Config:
    """Load a configuration, by default the default file, overridden by the environment and by options.

    Raises:
        ConfigError: The configuration is too broken to discover plugins.
    """
    from lamina.config import load

    flags = {name: value for name, value in (overrides or {}).items() if name != "modules"}
    return load(file, defer=True).with_overrides(os.environ, **flags)  # type: ignore[arg-type] # all strings


def prepared(file: str | None, overrides: Overrides, *, defer: bool = False) -> Prepared:
    """Load and decode a configuration, and report plugins that fail on stderr.

    Args:
        file: The file; None: the default file.
        overrides: The options that override it.
        defer: Whether to leave mistakes to the caller, as far as plugins can be discovered: `Prepared.problems`.

    Raises:
        ConfigError: The configuration is invalid; it lists all problems.
    """
    from lamina.host import prepare

    found = prepare(configuration(file, overrides), overrides["modules"], defer=defer)
    print_failed_plugins(found.plan.discovery)
    return found


def print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings on stderr."""
    for warning in warnings:
        click.echo(one_line(f"lamina: warning: {warning}"), err=True)


def print_failed_plugins(discovery: Discovery) -> None:
    """Report plugins that cannot be loaded on stderr."""
    for plugin in discovery.failed:
        click.echo(one_line(f"lamina: {plugin.uri} was not loaded: {plugin.problem}"), err=True)
