"""Which host a command talks to: the options that say it, and the connection."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from lamina.snapshots import Snapshotter

if TYPE_CHECKING:
    from lamina.client import Client

F = TypeVar("F", bound=Callable[..., Any] | click.Command)

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
    from lamina.client import Client  # noqa: PLC0415 # brings grpc, which --help does without

    meta = click.get_current_context().meta
    address = meta[f"{_META}address"] or _default_address()
    with Client(address, timeout=meta[f"{_META}timeout"]) as client:
        yield client


@contextlib.contextmanager
def connected_snapshotter() -> Iterator[Snapshotter]:
    """The snapshotter that the command's options name."""
    with connected() as client:
        yield client.snapshotter(click.get_current_context().meta[f"{_META}snapshotter"])


def _default_address() -> str:
    from lamina.config import default_state  # noqa: PLC0415 # not needed where an address is given

    return f"{default_state()}/lamina.sock"


class _Timeout(click.ParamType[float | None]):
    name = "duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        from lamina.config import Duration  # noqa: PLC0415 # few commands are given a timeout
        from lamina.errdefs import InvalidArgument  # noqa: PLC0415 # as above

        try:
            seconds = Duration.parse(value)
        except InvalidArgument as error:
            self.fail(str(error), param, ctx)
        if seconds < 0:
            self.fail(f'duration "{value}": expected one that is not negative', param, ctx)
        return float(seconds) or None


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep a value for `connected`. The groups around a command come first; what is typed beats the environment."""
    name = f"{_META}{parameter.name}"
    typed = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    if typed or name not in context.meta:
        context.meta[name] = value


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
    type=_Timeout(),
    metavar="DURATION",
    expose_value=False,
    callback=_remember,
    help='How long a call to the host may take, such as "1m30s". By default, and with 0, as long as it takes.',
)
_snapshotter = click.option(
    "--snapshotter",
    metavar="NAME",
    envvar="LAMINA_SNAPSHOTTER",
    show_envvar=True,
    default="overlayfs",
    show_default=True,
    expose_value=False,
    callback=_remember,
    help="The snapshotter: its plugin's id, or an alias.",
)
