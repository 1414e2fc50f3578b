"""The removals of a collection, as a table and as JSON."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.options.connection import connected
from lamina.cli.terminal.errors import FAILURE
from lamina.cli.terminal.output import binary_size, write, write_json, write_table
from lamina.cli.terminal.progress import progress
from lamina.images import keyspace_of

if TYPE_CHECKING:
    from lamina.metadata.collection import Removed

dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
"""Adds the flag `dry_run` to a command."""


def collect(*, dry_run: bool, content_only: bool, as_json: bool) -> None:
    """Have the host collect, and print what it removed. Exits with 1 if something could not be removed."""
    with connected() as client:
        removals = client.collector().collect(dry_run=dry_run, content_only=content_only)
        found = list(progress(removals, "unused objects"))
    if as_json:
        write_json([_document(one, dry_run=dry_run) for one in found])
    else:
        _show(found, dry_run=dry_run)
    if any(one.error for one in found):
        sys.exit(FAILURE)


def place(kind: str, namespace: str, snapshotter: str) -> str:
    """Return the place of an object: a namespace, the keyspace of a snapshotter, or "" if all share it."""
    return f"{snapshotter}/{keyspace_of(namespace)}" if kind == "snapshot" and snapshotter else namespace


def _show(found: Sequence[Removed], *, dry_run: bool) -> None:
    rows = [
        (
            _outcome(one, dry_run=dry_run),
            one.kind,
            one.name or "-",
            place(one.kind, one.namespace, one.snapshotter) or "-",
            binary_size(one.size),
            one.error or one.reason,
        )
        for one in found
    ]
    if rows:
        write_table(("OUTCOME", "KIND", "NAME", "IN", "SIZE", "REASON"), rows, whole=4)
    failed = [one for one in found if one.error and one.name]
    young = [one for one in found if one.young]
    gone = [one for one in found if not (one.error or one.young)]
    write(f"{'would remove' if dry_run else 'removed'} {_total(gone)}")
    if young:
        write(f"kept, because it is young: {_total(young)}")
    if failed:
        write(f"failed to remove {_total(failed)}")
    if not all(one.name for one in found):
        write("kept all blobs, because snapshots that may need them could not be listed")


def _outcome(one: Removed, *, dry_run: bool) -> str:
    if one.error:
        return "failed"
    if one.young:
        return "young"
    return "unused" if dry_run else "removed"


def _total(objects: Sequence[Removed]) -> str:
    """Return the number of objects of each kind, and their bytes: `2 blobs, 1 snapshot, 3.0 KiB`."""
    counts = Counter(str(one.kind) for one in objects)
    if not counts:
        return "nothing"
    words = [f"{count:,} {kind}{'' if count == 1 else 's'}" for kind, count in sorted(counts.items())]
    return ", ".join([*words, binary_size(sum(one.size for one in objects))])


def _document(one: Removed, *, dry_run: bool) -> dict[str, Any]:
    """Return a removal as a JSON object, its size in bytes."""
    return {
        "Outcome": _outcome(one, dry_run=dry_run),
        "Kind": one.kind,
        "Name": one.name,
        "Namespace": one.namespace,
        "Snapshotter": one.snapshotter,
        "Size": one.size,
        "Reason": one.reason,
        "Error": one.error,
    }
