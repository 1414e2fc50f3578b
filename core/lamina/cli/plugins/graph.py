"""The graph of plugins and their requirements as text, Mermaid, DOT or JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import attrs

from lamina.cli.terminal.output import one_line
from lamina.plugin import EVERY_TYPE, DryRun, Plan, Plugin, Status

_INIT: Final = "init"
_FILLS: Final = {"blocked": "#ffe8a3", "failed": "#ffb3b3", "disabled": "#e0e0e0", "absent": "#ffffff"}
"""RGB colours of the plugins that would not be initialised."""


@attrs.frozen
class Requirement:
    """A plugin type that a plugin requires."""

    type: str
    uris: tuple[str, ...]
    """The plugins of that type, whatever their status. Empty for `*`, which stands for every other plugin."""


@attrs.frozen
class PluginNode:
    """A plugin in the graph."""

    uri: str
    status: str
    """The expected status: `init`, `failed`, `blocked` or `disabled`."""
    reason: str = ""
    """The reason why the plugin would not be initialised."""
    distribution: str = ""
    requires: tuple[Requirement, ...] = ()


def nodes(plan: Plan, dry_run: DryRun) -> list[PluginNode]:
    """Return all plugins found: in order of initialisation, then the disabled ones."""
    disabled = [one for one in (*plan.registry, *plan.discovery.failed) if one.uri in plan.disabled]
    return [
        *(_node(plan, plugin) for plugin in dry_run.plugins),
        *(
            PluginNode(
                one.uri, "disabled", "in disabled_plugins", one.distribution, _requirements(plan, one.requires)
            )
            for one in disabled
        ),
    ]


def _node(plan: Plan, plugin: Plugin) -> PluginNode:
    status = _INIT if plugin.status is Status.OK else str(plugin.status)
    return PluginNode(plugin.uri, status, plugin.reason, plugin.distribution, _requirements(plan, plugin.requires))


def _requirements(plan: Plan, requires: tuple[str, ...]) -> tuple[Requirement, ...]:
    found = plan.providers(requires)
    return tuple(Requirement(required, found.get(required, ())) for required in requires)


def document(graph: list[PluginNode], plan: Plan, dry_run: DryRun) -> dict[str, Any]:
    """Return the graph as a JSON object."""
    return {
        "Plugins": [
            {
                "URI": node.uri,
                "Status": node.status,
                "Reason": node.reason,
                "Distribution": node.distribution,
                "Requires": [{"Type": one.type, "Plugins": list(one.uris)} for one in node.requires],
            }
            for node in graph
        ],
        "NotImported": list(plan.discovery.not_imported),
        "Refusal": "" if dry_run.refusal is None else str(dry_run.refusal),
    }


def text(graph: list[PluginNode], plan: Plan, dry_run: DryRun) -> Iterator[str]:
    """Yield the graph as text: each plugin with its position, followed by its requirements."""
    status = {node.uri: node.status for node in graph}
    numbers = iter(range(1, len(graph) + 1))
    width = len(str(len(graph)))
    for node in graph:
        number = next(numbers) if node.status == _INIT else "-"
        mark = "" if node.status == _INIT else f"  {node.status}: {node.reason}"
        yield one_line(f"{number:>{width}}  {node.uri}{mark}")
        targets = list(_targets(node, status))
        for target in targets:
            branch = "└─" if target is targets[-1] else "├─"
            yield one_line(f"{'':{width}}  {branch} {target}")
    for source in plan.discovery.not_imported:
        yield one_line(f"{'-':>{width}}  {source}  not imported: its distribution is in disabled_distributions")
    if dry_run.refusal is not None:
        yield ""
        yield one_line(f"The host would not start: {dry_run.refusal}")


def _targets(node: PluginNode, status: dict[str, str]) -> Iterator[str]:
    for required in node.requires:
        for uri in required.uris:
            yield uri if status[uri] == _INIT else f"{uri} ({status[uri]})"
        if required.type == EVERY_TYPE:
            yield "* (every other plugin)"
        elif not required.uris:
            yield f"{required.type} (no plugin provides it)"


def mermaid(graph: list[PluginNode]) -> Iterator[str]:
    """Yield the graph as a Mermaid flowchart (mermaid.js.org/syntax/flowchart.html): an arrow means "requires"."""
    names = _names(graph)
    yield "flowchart LR"
    for name, label, status in _labels(graph, names):
        yield f'    {name}["{_mermaid(label)}"]' + ("" if status == _INIT else f":::{status}")
    for source, target in _edges(graph, names):
        yield f"    {source} --> {target}"
    for status, fill in _FILLS.items():
        yield f"    classDef {status} fill:{fill},stroke-dasharray:4"


def _mermaid(label: str) -> str:
    """Escape a Mermaid string: characters that may be syntax become numeric entities."""
    return re.sub(r"[^\w .:/,()-]", lambda found: f"#{ord(found[0])};", one_line(label))


def dot(graph: list[PluginNode]) -> Iterator[str]:
    """Yield the graph in Graphviz's language (graphviz.org/doc/info/lang.html): an arrow means "requires"."""
    names = _names(graph)
    yield "digraph plugins {"
    yield "    rankdir=LR"
    yield '    node [shape=box, style=filled, fillcolor="#ffffff"]'
    for name, label, status in _labels(graph, names):
        fill = "" if status == _INIT else f', style="filled,dashed", fillcolor="{_FILLS[status]}"'
        yield f'    {name} [label="{_dot(label)}"{fill}]'
    for source, target in _edges(graph, names):
        yield f"    {source} -> {target}"
    yield "}"


def _dot(label: str) -> str:
    """Escape a DOT string, whose labels interpret backslashes and entities."""
    escaped = one_line(label).replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("&", "&amp;")


def _names(graph: list[PluginNode]) -> dict[str, str]:
    """Return an identifier for each plugin and for each required type that no plugin provides."""
    absent = [one.type for node in graph for one in node.requires if not one.uris and one.type != EVERY_TYPE]
    return {what: f"n{number}" for number, what in enumerate(dict.fromkeys([*(n.uri for n in graph), *absent]))}


def _labels(graph: list[PluginNode], names: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the identifier, label and status of every box."""
    status = {node.uri: node.status for node in graph}
    for what, name in names.items():
        match status.get(what, "absent"):
            case "init":
                yield name, what, _INIT
            case "absent":
                yield name, f"{what} (no plugin provides it)", "absent"
            case left_out:
                yield name, f"{what} ({left_out})", left_out


def _edges(graph: list[PluginNode], names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the identifiers of both ends of every arrow."""
    for node in graph:
        for required in node.requires:
            others = tuple(other.uri for other in graph if other is not node and other.status != "disabled")
            targets = others if required.type == EVERY_TYPE else required.uris or (required.type,)
            for target in targets:
                yield names[node.uri], names[target]
