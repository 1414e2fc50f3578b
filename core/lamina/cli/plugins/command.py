"""`lamina plugins`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.groups import Group
from lamina.cli.options.connection import address_given, connected, given_address, host_options, typed
from lamina.cli.options.filters import warn_unknown_fields
from lamina.cli.options.settings import configuration, file_option, modules_option, print_warnings
from lamina.cli.terminal.output import json_option, one_line, write, write_json, write_table
from lamina.errdefs import Unavailable

if TYPE_CHECKING:
    from lamina.cli.plugins.root_cause import Answer
    from lamina.client import RemotePlugin
    from lamina.errdefs import Error
    from lamina.host import Prepared


@click.group(cls=Group)
@host_options
def plugins() -> None:
    """Show the plugins of a host or of a configuration."""


@plugins.command()
@host_options
@click.option("-d", "--detailed", is_flag=True, help="Show everything known about each plugin.")
@json_option
@click.argument("filters", nargs=-1, metavar="[FILTER]...")
def ls(*, detailed: bool, as_json: bool, filters: tuple[str, ...]) -> None:
    """List the plugins of a running host in order of initialisation.

    Failed and skipped plugins are included. With FILTERs, such as
    type==io.containerd.snapshotter.v1,id==overlayfs, list only plugins that match at least one.
    """
    warn_unknown_fields(filters, "plugin", ("type", "id"))
    with connected() as client:
        found = client.plugins(*filters)
    if as_json:
        write_json([plugin_document(plugin) for plugin in found])
    elif not detailed:
        rows = [(plugin.type, plugin.id, _platforms(plugin) or "-", _status(plugin)) for plugin in found]
        write_table(("TYPE", "ID", "PLATFORMS", "STATUS"), rows, whole=2)
    elif found:
        write("\n\n".join("\n".join(plugin_lines(plugin)) for plugin in found))


@plugins.command()
@file_option
@modules_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "json"]),
    default="text",
    help="Output format. Default: text.",
)
@json_option
def graph(*, file: str | None, modules: Sequence[str], form: str, as_json: bool) -> None:
    """Draw the plugins that a host would load, and what each requires.

    Imports the plugin packages as `lamina serve` would, but initialises nothing. Plugins that would not be
    initialised are marked with the reason.
    """
    from lamina.cli.plugins.graph import document, dot, mermaid, nodes, text

    if typed("address"):
        raise click.UsageError("graph shows a configuration and asks no host: leave out --address")
    plan = _prepare(file, modules).plan
    dry_run = plan.dry_run()
    found = nodes(plan, dry_run)
    match "json" if as_json else form:
        case "json":
            write_json(document(found, plan, dry_run))
        case "mermaid":
            write("\n".join(mermaid(found)))
        case "dot":
            write("\n".join(dot(found)))
        case _:
            write("\n".join(text(found, plan, dry_run)))


@plugins.command()
@host_options
@file_option
@modules_option
@json_option
@click.argument("plugin")
def why(*, plugin: str, file: str | None, modules: Sequence[str], as_json: bool) -> None:
    """Explain the state of a plugin, down to the root cause.

    PLUGIN is a URI, or an id if no other plugin has the same one.

    A running host reports what happened: the one at -a or, without -a, -c and -p, the one at the default address.
    If no host runs, or it does not have the plugin, the configuration predicts what would happen. The last line
    names the source.
    """
    from lamina.cli.plugins import root_cause

    answer, address, note = None, "", "No host was asked."
    if typed("address") or not (typed("file") or modules or (file and not address_given())):
        if typed("file"):
            configuration(file)  # which may be needed, and must be readable even if it is not
        answer, address, note = _ask_host(plugin)
    if answer is not None:
        source = {"Kind": "host", "Address": address}
    else:
        prepared = _prepare(file, modules)
        answer = _predict(plugin, prepared)
        source = {"Kind": "configuration", "File": str(prepared.config.file or "")}
        who = str(prepared.config.file or "the defaults")
        note = f"{note} Predicted from {who}: only a host can tell whether a plugin initialises."
    if as_json:
        write_json(root_cause.document(answer, source))
    else:
        write("\n".join([*root_cause.text(answer), "", one_line(note)]))


def _ask_host(name: str) -> tuple[Answer | None, str, str]:
    """Ask the host about a plugin.

    Returns:
        The answer, None if no host runs or it does not have the plugin; the host's address; and a sentence about
        the host.

    Raises:
        Unavailable: No host runs at the address that the command names.
    """
    from lamina.cli.plugins import root_cause

    try:
        with connected() as client:
            found = client.plugins()
    except Unavailable:
        if address_given():
            raise
        return None, given_address(), f"No host runs at {given_address()}."
    uri = root_cause.uri_of(name, {plugin.uri: plugin.id for plugin in found})
    answer = root_cause.from_host(found, uri)
    if answer is None:
        return None, client.address, f"The host at {client.address} has no such plugin."
    return answer, client.address, f"Reported by the host at {client.address}."


def _predict(name: str, prepared: Prepared) -> Answer:
    from lamina.cli.plugins import root_cause

    uri = root_cause.uri_of(name, prepared.plan.ids())
    disabled_at = prepared.config.origin("disabled_plugins")
    return root_cause.from_plan(prepared.plan, prepared.plan.dry_run(), uri, str(disabled_at or ""))


def _prepare(file: str | None, modules: Sequence[str]) -> Prepared:
    """Prepare the plan of a host, with warnings on stderr about settings without effect."""
    from lamina.host import prepare

    prepared = prepare(configuration(file), modules)
    print_warnings(prepared.warnings)
    return prepared


def plugin_document(plugin: RemotePlugin) -> dict[str, Any]:
    """Return a plugin as a JSON object."""
    document: dict[str, Any] = {
        "Type": plugin.type,
        "ID": plugin.id,
        "Requires": list(plugin.requires),
        "Platforms": list(plugin.platforms),
        "Exports": dict(plugin.exports),
        "Capabilities": list(plugin.capabilities),
        "Distribution": plugin.details.distribution,
        "Milliseconds": plugin.details.milliseconds,
        "Status": plugin.status,
    }
    if plugin.init_error is not None:
        document["Error"] = {
            "Code": _code(plugin.init_error),
            "Message": _message(plugin.init_error),
            "BlockedBy": plugin.details.blocked_by,
            "Retrying": plugin.details.retrying,
            "Location": _location(plugin),
        }
    return document


def plugin_lines(plugin: RemotePlugin) -> list[str]:
    """Return a plugin as lines for `-d`: the fields of `ctr plugins ls -d`, then those of lamina hosts alone."""
    details = plugin.details
    lines = [
        f"Type:          {one_line(plugin.type)}",
        f"ID:            {one_line(plugin.id)}",
        *_block("Requires", plugin.requires),
        *_block("Platforms", filter(None, [_platforms(plugin)])),
        *_block("Exports", (f"{key} {value}" for key, value in sorted(plugin.exports.items()))),
        *_block("Capabilities", filter(None, [",".join(plugin.capabilities)])),
        *_block("Distribution", filter(None, [details.distribution])),
        *_block("Milliseconds", () if details.milliseconds is None else (f"{details.milliseconds:.1f}",)),
        f"Status:        {_status(plugin)}",
    ]
    if plugin.init_error is not None:
        lines += [
            f"Error code:    {_code(plugin.init_error)}",
            f"Error message: {one_line(_message(plugin.init_error))}",
            *_block("Raised at", () if details.location is None else (str(details.location),)),
        ]
    return lines


def _status(plugin: RemotePlugin) -> str:
    return f"{plugin.status} (retrying)" if plugin.details.retrying else plugin.status


def _block(title: str, values: Iterable[str]) -> list[str]:
    """Return a title and its values, one per line; nothing if there are no values."""
    return [f"{f'{title}:' if not row else '':14} {one_line(value)}" for row, value in enumerate(values)]


def _location(plugin: RemotePlugin) -> dict[str, Any] | None:
    from lamina.cli.plugins.root_cause import location_document

    return location_document(plugin.details.location)


def _platforms(plugin: RemotePlugin) -> str:
    return ",".join(sorted(set(plugin.platforms)))


def _code(error: Error) -> str:
    """Return the name of a gRPC code as Go writes it."""
    return "".join(word.capitalize() for word in error.code.name.split("_"))


def _message(error: Error) -> str:
    return str(error) or error.text
