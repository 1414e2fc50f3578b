"""`lamina leases`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from lamina.cli.groups import Group
from lamina.cli.options.connection import connected, lease_options, parse_duration
from lamina.cli.snapshots.labels import format_labels, label_option
from lamina.cli.terminal.output import in_seconds, json_of_removed, json_option, write, write_json, write_table
from lamina.errdefs import NotFound

if TYPE_CHECKING:
    from lamina.metadata import Lease, LeaseStore, Resource

_EXPIRE: Final = "containerd.io/gc.expire"
"""The label of a lease with the time at which it ends."""


@click.group(cls=Group)
@lease_options
def leases() -> None:
    """Keep blobs and snapshots from being collected."""


@leases.command()
@lease_options
@click.option(
    "--expire",
    default="24h",
    metavar="DURATION",
    callback=parse_duration,
    help="Time until the lease ends, such as 1h30m; 0 for never. Default: 24h.",
)
@label_option
@json_option
@click.argument("id_", metavar="[ID]", default="")
def create(*, id_: str, expire: float, labels: Mapping[str, str], as_json: bool) -> None:
    """Create a lease, and print its id.

    A program names the lease in the header containerd-lease of its calls. What they use and make is kept until the
    lease ends or is removed.
    """
    with connected() as client:
        made = client.leases().create(id_, {**_expiry(expire), **labels})
    if as_json:
        write_json(_document(made, []))
    else:
        write(made.id)


def _expiry(seconds: float) -> dict[str, str]:
    """Return the label for the time at which a lease ends; none for 0."""
    import time

    from lamina.snapshots import NANOSECONDS, format_time

    if not seconds:
        return {}
    return {_EXPIRE: format_time(time.time_ns() + int(seconds * NANOSECONDS))}


@leases.command()
@lease_options
@json_option
@click.argument("filters", nargs=-1, metavar="[FILTER]...")
def ls(*, filters: tuple[str, ...], as_json: bool) -> None:
    """List leases.

    With FILTERs, such as id==mine, list only leases that match at least one.
    """
    from lamina.cli.options.filters import warn_unknown_fields
    from lamina.snapshots import format_time

    warn_unknown_fields(filters, "lease", ("id", "labels"))
    with connected() as client:
        found = list(_with_resources(client.leases(), filters))
    if as_json:
        write_json([_document(lease, resources) for lease, resources in found])
        return
    rows = [
        (
            lease.id,
            in_seconds(format_time(lease.created)),
            in_seconds(_expires(lease) or "never"),
            str(len(resources)),
            _other_labels(lease),
        )
        for lease, resources in found
    ]
    write_table(("ID", "CREATED", "EXPIRES", "RESOURCES", "LABELS"), rows)


def _expires(lease: Lease) -> str | None:
    """Return when a lease ends, as its label says; None for never, or if no collection can read it."""
    from lamina.metadata.collection import expiry

    return None if expiry(lease.labels) is None else lease.labels[_EXPIRE]


def _other_labels(lease: Lease) -> str:
    """Format the labels of a lease, without one whose time is shown."""
    is_shown = _expires(lease) is not None
    return format_labels({key: value for key, value in lease.labels.items() if key != _EXPIRE or not is_shown})


def _with_resources(store: LeaseStore, filters: Sequence[str]) -> Iterator[tuple[Lease, list[Resource]]]:
    for lease in store.list(*filters):
        with contextlib.suppress(NotFound):  # removed since it was listed
            yield lease, list(store.resources(lease.id))


@leases.command()
@lease_options
@json_option
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def rm(*, ids: tuple[str, ...], as_json: bool) -> None:
    """Remove leases in the given order; stop at the first failure.

    What only they kept is removed by the next collection.
    """
    with json_of_removed(as_json) as removed, connected() as client:
        store = client.leases()
        for id_ in ids:
            document = _document(store.get(id_), list(store.resources(id_))) if as_json else None
            store.delete(id_)
            removed.append(document)


def _document(lease: Lease, resources: list[Resource]) -> dict[str, Any]:
    """Return a lease as a JSON object."""
    from lamina.snapshots import format_time

    return {
        "ID": lease.id,
        "Created": format_time(lease.created),
        "Expires": _expires(lease),
        "Labels": dict(sorted(lease.labels.items())),
        "Resources": [{"Type": one.type, "ID": one.id} for one in resources],
    }
