"""Options that select a host and a snapshotter, and the connection to them."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from lamina.cli.terminal.output import one_line
from lamina.errdefs import DeadlineExceeded, Error, FailedPrecondition, InvalidArgument, NotFound
from lamina.places import default_address

if TYPE_CHECKING:
    from lamina.client import Client, RemotePlugin
    from lamina.snapshots import Snapshotter

F = TypeVar("F", bound=Callable[..., Any] | click.Command)

_USUAL: Final = "overlayfs"
_NO_NAMESPACE: Final = "namespace is required"
"""The message of a containerd; a lamina host has a default."""
_META = "lamina.cli."
"""The prefix of the options' keys in `click.Context.meta`."""


def host_options(command: F) -> F:
    """Add the options that select a host. Those of a group also apply to its commands."""
    return _address(_timeout(command))


def snapshotter_options(command: F) -> F:
    """Add the options that select a host and one of its snapshotters."""
    return host_options(
        _snapshotter(_namespace("Namespace of the snapshots, if the socket is containerd's.")(command))
    )


def image_options(command: F) -> F:
    """Add the options that select a host and a namespace of images."""
    return host_options(_namespace("Namespace of the images. Default: default.")(command))


def every_image_options(command: F) -> F:
    """Add the options that select a host, and images of one namespace or of all."""
    return host_options(_namespace("Namespace of the images. Default: all.")(command))


def lease_options(command: F) -> F:
    """Add the options that select a host and a namespace of leases."""
    return host_options(_namespace("Namespace of the leases. Default: default.")(command))


@contextlib.contextmanager
def connected() -> Iterator[Client]:
    """Connect to the host that the command's options select, in the namespace that they select."""
    from lamina.client import Client

    timeout, namespace = click.get_current_context().meta[f"{_META}timeout"], given_namespace()
    with Client(given_address(), timeout=timeout, namespace=namespace, brief=True) as client:
        try:
            yield client
        except FailedPrecondition as error:
            if str(error) == _NO_NAMESPACE and f"{_META}namespace" in click.get_current_context().meta:
                error.add_note("use --namespace NAME")
            raise
        except DeadlineExceeded as error:
            if timeout is not None:
                diagnosis = f"lamina diagnose -a {shlex.quote(client.address)}"
                error.add_note(f"raise --timeout, or see what {diagnosis} finds")
            raise


def given_namespace() -> str:
    """Return the namespace that the command's options select; "" if they select none."""
    return click.get_current_context().meta.get(f"{_META}namespace") or ""


def given_keyspace() -> str:
    """Return the keyspace that the command's options select with the snapshotter; "" if they select none."""
    name = click.get_current_context().meta.get(f"{_META}snapshotter") or ""
    return name.partition("/")[2]


@contextlib.contextmanager
def connected_snapshotter(*keys: str) -> Iterator[Snapshotter]:
    """Connect to the snapshotter that the command's options select.

    Args:
        keys: The snapshots that the block needs. If it does not find one, the error says where it is.
    """
    with connected() as client:
        name = click.get_current_context().meta[f"{_META}snapshotter"]
        if name is None:
            # Root asked for overlayfs implicitly and should see why it does not work.
            name = _USUAL if os.geteuid() == 0 else default_snapshotter(client.plugins())
        try:
            yield client.snapshotter(name)
        except NotFound as error:
            for key, place in _elsewhere(client, name, keys):
                error.add_note(f"{one_line(key)} is in {place}: use --snapshotter {shlex.quote(place)}")
            raise


def _elsewhere(client: Client, name: str, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield those of some snapshots that only another snapshotter or keyspace has, each with one that has it."""
    from lamina.images import keyspace_of
    from lamina.plugin import PluginType

    try:
        keyspaces = [keyspace_of(namespace) for namespace in client.namespaces()]
        found = client.plugins(f"type=={PluginType.SNAPSHOTTER}")
    except Error:  # a containerd, or a host that has just gone
        return
    ids = [one.id for one in found if one.init_error is None]
    places = [name, *(place for id_ in ids for place in (id_, *(f"{id_}/{keyspace}" for keyspace in keyspaces)))]
    for key in filter(None, dict.fromkeys(keys)):
        place = next((place for place in places if _has(client, place, key)), name)
        if place != name:
            yield key, place


def _has(client: Client, place: str, key: str) -> bool:
    try:
        client.snapshotter(place).stat(key)
    except Error:  # it is missing, or there is no such keyspace
        return False
    return True


def default_snapshotter(plugins: Sequence[RemotePlugin]) -> str:
    """Return the id of the default snapshotter: overlayfs or, if that does not work, another one."""
    from lamina.plugin import PluginType

    found = [one.id for one in plugins if one.type == PluginType.SNAPSHOTTER and one.init_error is None]
    return next((id_ for id_ in (_USUAL, "native", *found) if id_ in found), _USUAL)


def given_address() -> str:
    """Return the address of the host that the command's options select; the default one if they select none."""
    return click.get_current_context().meta[f"{_META}address"] or default_address()


def address_given() -> bool:
    """Return whether the command's options or its environment select a host."""
    return bool(click.get_current_context().meta[f"{_META}address"])


def typed(name: str) -> bool:
    """Return whether a parameter of the command, or of its groups, is on the command line."""
    context: click.Context | None = click.get_current_context()
    while context is not None and context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        context = context.parent
    return context is not None


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Store an option for `connected`.

    The command line takes precedence over the environment, then the group over the command.
    """
    name = f"{_META}{parameter.name}"
    typed = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    if typed or name not in context.meta:
        context.meta[name] = value


def parse_duration(context: click.Context, parameter: click.Parameter, text: str | None) -> float:
    """Return the seconds of a click parameter that is a duration; 0 if it is not given.

    Raises:
        click.BadParameter: It is not a duration, or is negative.
    """
    if text is None:
        return 0
    from lamina.duration import Duration

    try:
        seconds = Duration.parse(text)
    except InvalidArgument as error:
        raise click.BadParameter(str(error), context, parameter) from error
    if seconds < 0:
        raise click.BadParameter(f"{text}: expected a non-negative duration", context, parameter)
    return seconds


def _remember_timeout(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    _remember(context, parameter, parse_duration(context, parameter, value) or None)


_address = click.option(
    "-a",
    "--address",
    metavar="SOCKET",
    type=click.Path(readable=False),
    envvar="LAMINA_ADDRESS",
    show_envvar=True,
    expose_value=False,
    callback=_remember,
    help=(
        "The host's socket. Default: /run/lamina/lamina.sock, or $XDG_RUNTIME_DIR/lamina/lamina.sock for users "
        "other than root."
    ),
)
_timeout = click.option(
    "--timeout",
    metavar="DURATION",
    expose_value=False,
    callback=_remember_timeout,
    help="Timeout of each call to the host, such as 1m30s. Default: 0, no timeout.",
)


def _namespace(description: str) -> Callable[[F], F]:
    return click.option(
        "-n",
        "--namespace",
        metavar="NAME",
        envvar="LAMINA_NAMESPACE",
        show_envvar=True,
        expose_value=False,
        callback=_remember,
        help=description,
    )


_snapshotter = click.option(
    "--snapshotter",
    metavar="NAME",
    envvar="LAMINA_SNAPSHOTTER",
    show_envvar=True,
    expose_value=False,
    callback=_remember,
    help=(
        "Id or alias of the snapshotter, or NAME/KEYSPACE, such as overlayfs/images/default. Default: overlayfs; "
        "for users other than root, one that works."
    ),
)
