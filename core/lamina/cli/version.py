"""`lamina version`."""

from __future__ import annotations

import platform

import click

from lamina.cli.options.connection import address_given, connected, host_options
from lamina.cli.options.settings import print_warnings
from lamina.cli.terminal.output import json_option, write, write_json
from lamina.errdefs import Unavailable


@click.command()
@host_options
@json_option
def version(*, as_json: bool) -> None:
    """Print the versions of this command and of the host."""
    from importlib.metadata import version as installed_version

    client = {"Version": installed_version("lamina"), "Python": platform.python_version()}
    server, warning = _server(client["Version"])
    if as_json:
        write_json({"Client": client, "Server": server})
    else:
        sides = {"Client": client} if server is None else {"Client": client, "Server": server}
        write("\n\n".join("\n".join(_lines(side, facts)) for side, facts in sides.items()))
    print_warnings(filter(None, [warning]))


def _server(ours: str) -> tuple[dict[str, str] | None, str]:
    """Ask the host for its version.

    Args:
        ours: The version of this command.

    Returns:
        The facts about the host, None if no host runs; and a warning if it has another version, or "".

    Raises:
        Unavailable: No host answers at the address given.
    """
    try:
        with connected() as client:
            theirs, warning = client.version(), ""
            if theirs.version != ours:
                warning = "the host runs another version than this command: restart it"
                if not any(plugin.is_of_lamina for plugin in client.plugins()):
                    warning = f"{client.address} is not the socket of a lamina host"
            facts = {"Version": theirs.version, "Revision": theirs.revision, "UUID": client.server().uuid}
            return facts, warning
    except Unavailable:
        if address_given():
            raise
        return None, ""


def _lines(side: str, facts: dict[str, str]) -> list[str]:
    return [f"{side}:", *(f"  {f'{name}:':<10}{fact}".rstrip() for name, fact in facts.items())]
