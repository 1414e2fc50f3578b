"""Which host a command talks to: the options that say it, and the connection."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from lamina.errdefs import InvalidArgument
from lamina.places import default_address
from lamina.snapshots import Snapshotter

if TYPE_CHECKING:
    from lamina.client import Client, Plugin

F = TypeVar("F", bound=Callable[..., Any] | click.Command)

_USUAL: Final = "overlayfs"
_META = "lamina.cli."
"""Begins the names of what options leave in `click.Context.meta`."""


def host_options(command: F) -> F:
    """Give a command the options that say which host it talks to. A group's options hold for its commands."""
    return _address(_timeout(command))


def snapshotter_options(command: F) -> F:
    """Give a command the options that say which snapshotter of which host it talks to."""
    return host_options(_snapshotter(command))


@contextlib.contextmanager
def connected() -> Iterator[Client]:
    """A client of the host that the command's options name."""
    from lamina.client import Client

    meta = click.get_current_context().meta
    address = meta[f"{_META}address"] or default_address()
    with Client(address, timeout=meta[f"{_META}timeout"], brief=True) as client:
        yield client


@contextlib.contextmanager
def connected_snapshotter() -> Iterator[Snapshotter]:
    """The snapshotter that the command's options name."""
    with connected() as client:
        name = click.get_current_context().meta[f"{_META}snapshotter"]
        if name is None:
            # Where overlayfs does not work for root, root is told why.
            name = _USUAL if os.geteuid() == 0 else default_snapshotter(client.plugins())
        yield client.snapshotter(name)


def default_snapshotter(plugins: Sequence[Plugin]) -> str:
    """The id of the snapshotter of a command that names none: overlayfs, or another where that does not work.

    Args:
        plugins: Those of the host.
    """
    from lamina.plugin import PluginType

    found = [one.id for one in plugins if one.type == PluginType.SNAPSHOTTER and one.init_error is None]
    return next((id_ for id_ in (_USUAL, "native", *found) if id_ in found), _USUAL)


def address_given() -> bool:
    """Whether the command's options or its environment name a host."""
    return bool(click.get_current_context().meta[f"{_META}address"])


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep a value for `connected`. A group's comes before its command's; what is typed beats the environment."""
    name = f"{_META}{parameter.name}"
    typed = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    if typed or name not in context.meta:
        context.meta[name] = value


def _remember_timeout(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is None:
        return _remember(context, parameter, None)
    from lamina.config import Duration

    try:
        seconds = Duration.parse(value)
    except InvalidArgument as error:
        raise click.BadParameter(str(error), context, parameter) from error
    if seconds < 0:
        raise click.BadParameter(f"{value}: expected a duration that is not negative", context, parameter)
    return _remember(context, parameter, seconds or None)


_address = click.option(
    "-a",
    "--address",
    metavar="SOCKET",
    envvar="LAMINA_ADDRESS",
    show_envvar=True,
    expose_value=False,
    callback=_remember,
    help="The host's socket. By default /run/lamina/lamina.sock; "
    "of a user other than root $XDG_RUNTIME_DIR/lamina/lamina.sock.",
)
_timeout = click.option(
    "--timeout",
    metavar="DURATION",
    expose_value=False,
    callback=_remember_timeout,
    help='How long a call to the host may take, such as "1m30s". By default, and with 0, as long as it takes.',
)
_snapshotter = click.option(
    "--snapshotter",
    metavar="NAME",
    envvar="LAMINA_SNAPSHOTTER",
    show_envvar=True,
    expose_value=False,
    callback=_remember,
    help="The snapshotter: its plugin's id, or an alias. By default overlayfs; "
    "of a user other than root, where that does not work, one that does.",
)
