"""`lamina plugins`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from lamina.cli._connection import connected, host_options
from lamina.cli._output import one_line, write, write_json, write_table

if TYPE_CHECKING:
    from lamina.client import Plugin
    from lamina.errdefs import Error


@click.group()
@host_options
def plugins() -> None:
    """Look at the plugins of a running host."""


@plugins.command()
@host_options
@click.option("-d", "--detailed", is_flag=True, help="Show all that is known of each plugin.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known of each plugin.")
@click.argument("filters", nargs=-1, metavar="[FILTER]...")
def ls(*, detailed: bool, as_json: bool, filters: tuple[str, ...]) -> None:
    """List plugins, in order of initialisation, failed and skipped ones too.

    Those that match any FILTER, such as type==io.containerd.snapshotter.v1,id==overlayfs; all, if there is none.
    """
    with connected() as client:
        found = client.plugins(*filters)
    if as_json:
        write_json([plugin_document(plugin) for plugin in found])
    elif detailed:
        write("\n\n".join("\n".join(plugin_lines(plugin)) for plugin in found))
    else:
        rows = [(plugin.type, plugin.id, _platforms(plugin) or "-", plugin.status) for plugin in found]
        write_table(("TYPE", "ID", "PLATFORMS", "STATUS"), rows)


def plugin_document(plugin: Plugin) -> dict[str, Any]:
    """A plugin as JSON shows it."""
    document: dict[str, Any] = {
        "Type": plugin.type,
        "ID": plugin.id,
        "Requires": list(plugin.requires),
        "Platforms": list(plugin.platforms),
        "Exports": dict(plugin.exports),
        "Capabilities": list(plugin.capabilities),
        "Status": plugin.status,
    }
    if plugin.init_error is not None:
        document["Error"] = {"Code": _code(plugin.init_error), "Message": _message(plugin.init_error)}
    return document


def plugin_lines(plugin: Plugin) -> list[str]:
    """A plugin as `-d` shows it: what `ctr plugins ls -d` tells of it, and its status."""
    lines = [
        f"Type:          {one_line(plugin.type)}",
        f"ID:            {one_line(plugin.id)}",
        *_block("Requires", plugin.requires),
        *_block("Platforms", filter(None, [_platforms(plugin)])),
        *_block("Exports", (f"{key} {value}" for key, value in sorted(plugin.exports.items()))),
        *_block("Capabilities", filter(None, [",".join(plugin.capabilities)])),
        f"Status:        {plugin.status}",
    ]
    if plugin.init_error is not None:
        lines += [
            f"Error code:    {_code(plugin.init_error)}",
            f"Error message: {one_line(_message(plugin.init_error))}",
        ]
    return lines


def _block(title: str, values: Iterable[str]) -> list[str]:
    """A title and what there is of it, one value a line; nothing where there is nothing."""
    return [f"{f'{title}:' if not row else '':14} {one_line(value)}" for row, value in enumerate(values)]


def _platforms(plugin: Plugin) -> str:
    return ",".join(sorted(set(plugin.platforms)))


def _code(error: Error) -> str:
    """The name of a gRPC code, as Go writes it."""
    return "".join(word.capitalize() for word in error.code.name.split("_"))


def _message(error: Error) -> str:
    return str(error) or error.text
