"""The reason why a plugin works, is skipped, failed, blocked or absent, down to the root cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from lamina.cli.terminal.output import one_line
from lamina.errdefs import InvalidArgument
from lamina.plugin import ENTRY_POINT_TYPE, DryRun, Location, Plan, Plugin, Registration, Status

if TYPE_CHECKING:
    from lamina.client import RemotePlugin


@attrs.frozen
class Link:
    """A plugin on the way to the root cause."""

    uri: str
    status: str
    """`ok`, `skipped`, `failed` or `blocked` in a host. In a prediction `init` instead of `ok`; also `disabled`,
    or `absent` if not found."""
    reason: str = ""
    distribution: str = ""
    location: Location | None = None


@attrs.frozen
class Answer:
    """The explanation of a plugin's status."""

    chain: tuple[Link, ...]
    """The plugin, what blocks it, what blocks that, and so on."""
    notes: tuple[str, ...] = ()
    """Other possible causes."""


def uri_of(name: str, ids: Mapping[str, str]) -> str:
    """Return the URI of the plugin with a URI or id; the name itself if it is neither.

    Raises:
        InvalidArgument: Several plugins have the id.
    """
    found = [uri for uri, id_ in ids.items() if id_ == name]
    if name in ids or not found:
        return name
    if len(found) > 1:
        raise InvalidArgument(f"{name} is the id of several plugins: use the URI of one: {', '.join(found)}")
    return found[0]


def from_plan(plan: Plan, dry_run: DryRun, uri: str, disabled_at: str = "") -> Answer:
    """Predict the status of a plugin from a configuration.

    Args:
        plan: The plan of the host.
        dry_run: The predicted result of the plan.
        uri: The plugin.
        disabled_at: The place that set `disabled_plugins`, as `<file>:<line>`; "" if unknown.
    """
    refused = (f"The host would not start: {dry_run.refusal}",) if dry_run.refusal else ()
    link = _left_out(plan, uri, disabled_at)
    if link is not None:
        return Answer((link,), refused)
    records = {plugin.uri: plugin for plugin in dry_run.plugins}
    if uri not in records:
        reason = f"no installed package registers it{plan.did_you_mean(uri)}"
        return Answer((Link(uri, "absent", reason),), (*_suspects(plan), *refused))
    chain = _chain_of(records[uri], plan, dry_run)
    last = chain[-1]
    if last.status != Status.BLOCKED:
        return Answer(chain, refused)
    # The chain ends at a type without a provider: look for disabled ones.
    disabled = [_left_out(plan, other, disabled_at) for other in _providers_left_out(plan, records[last.uri])]
    return Answer((*chain, *filter(None, disabled)), refused if disabled else (*_suspects(plan), *refused))


def from_host(plugins: Iterable[RemotePlugin], uri: str) -> Answer | None:
    """Explain the status of a plugin in a host; return None if the host does not have it."""
    records = {plugin.uri: plugin for plugin in plugins}
    chain: dict[str, Link] = {}
    while uri in records and uri not in chain:
        record = records[uri]
        chain[uri] = _link_of(record, records)
        uri = record.details.blocked_by
    return Answer(tuple(chain.values())) if chain else None


def document(answer: Answer, source: Mapping[str, str]) -> dict[str, Any]:
    """Return an answer as a JSON object."""
    return {
        "URI": answer.chain[0].uri,
        "Status": answer.chain[0].status,
        "Source": dict(source),
        "Chain": [
            {
                "URI": link.uri,
                "Status": link.status,
                "Reason": link.reason,
                "Distribution": link.distribution,
                "Location": location_document(link.location),
            }
            for link in answer.chain
        ],
        "Notes": list(answer.notes),
    }


def location_document(location: Location | None) -> dict[str, Any] | None:
    """Return a line of code as a JSON object."""
    if location is None:
        return None
    return {
        "File": location.file,
        "Line": location.line,
        "Function": location.function,
        "Module": location.module,
        "Distribution": location.distribution,
    }


def text(answer: Answer) -> Iterator[str]:
    """Yield an answer as text: each link below the plugin that it blocks."""
    for depth, link in enumerate(answer.chain):
        branch = f"{'   ' * (depth - 1)}└─ " if depth else ""
        said = link.reason if link.status == "init" else f"{link.status}{link.reason and ': '}{link.reason}"
        yield one_line(f"{branch}{link.uri}: {said}")
        if link.location is not None:
            yield one_line(f"{'   ' * (depth + 1)}at {link.location}")
    if answer.notes:
        yield ""
        yield from map(one_line, answer.notes)


def _chain_of(plugin: Plugin, plan: Plan, dry_run: DryRun) -> tuple[Link, ...]:
    links = []
    blocked: Plugin | None = plugin
    while blocked is not None:
        status = "init" if blocked.status is Status.OK else str(blocked.status)
        reason = _in_order(blocked, plan, dry_run) if blocked.status is Status.OK else blocked.reason
        if blocked.blocked_by is not None:
            blocker = blocked.blocked_by
            reason = _why_blocked(blocked.requires, blocked.distribution, blocker.type, blocker.distribution)
        links.append(Link(blocked.uri, status, reason, blocked.distribution, blocked.location))
        blocked = blocked.blocked_by
    return tuple(links)


def _why_blocked(requires: Iterable[str], distribution: str, blocker_type: str, blocker_distribution: str) -> str:
    if blocker_type in requires:
        return f"it requires {blocker_type}"
    if distribution == blocker_distribution:
        return f"its distribution {distribution} is left out as a whole"
    return "its init looked up a plugin that does not work"


def _in_order(plugin: Plugin, plan: Plan, dry_run: DryRun) -> str:
    """Return the position of a plugin that would be initialised, and the plugins before it."""
    order = [one.uri for one in dry_run.plugins if one.status is Status.OK]
    said = f"to be initialised as number {order.index(plugin.uri) + 1} of {len(order)}"
    after = [uri for uris in plan.providers(plugin.requires).values() for uri in uris if uri in order]
    return f"{said}, after {', '.join(after)}" if after else said


def _left_out(plan: Plan, uri: str, disabled_at: str) -> Link | None:
    """Return the link of a plugin that the configuration disables, or None."""
    if uri in plan.disabled and uri in plan.known():
        found: Registration[Any] | Plugin = next(
            one for one in (*plan.registry, *plan.discovery.failed) if one.uri == uri
        )
        place = f" ({disabled_at})" if disabled_at else ""
        return Link(uri, "disabled", f"it is in disabled_plugins{place}", found.distribution)
    source = uri.removeprefix(f"{ENTRY_POINT_TYPE}.")
    if source in plan.discovery.not_imported:
        distribution = source.partition(":")[0]
        return Link(
            uri, "disabled", f"{distribution} is in disabled_distributions and was not imported", distribution
        )
    return None


def _providers_left_out(plan: Plan, plugin: Plugin) -> list[str]:
    """Return the disabled plugins of each required type that has no other provider."""
    provided = plan.providers(plugin.requires).values()
    return [uris[0] for uris in provided if uris and all(uri in plan.disabled for uri in uris)]


def _suspects(plan: Plan) -> Iterator[str]:
    """Yield the packages that might contain a missing plugin."""
    for source in plan.discovery.not_imported:
        yield f"Not imported because its distribution is in disabled_distributions: {source}"
    for plugin in plan.failed:
        if plugin.type == ENTRY_POINT_TYPE:
            yield f"Could not be loaded: {plugin.id}: {plugin.reason}"


def _link_of(plugin: RemotePlugin, records: Mapping[str, RemotePlugin]) -> Link:
    details = plugin.details
    if plugin.init_error is None:
        took = "" if details.milliseconds is None else f"initialised in {details.milliseconds:.1f} ms"
        return Link(plugin.uri, str(Status.OK), took, details.distribution)
    reason = plugin.reason
    blocker = records.get(details.blocked_by)
    if blocker is not None:
        reason = _why_blocked(plugin.requires, details.distribution, blocker.type, blocker.details.distribution)
    return Link(plugin.uri, plugin.status, reason, details.distribution, details.location)
