"""`lamina content`."""

from __future__ import annotations

import sys

import click

from lamina.cli.groups import Group
from lamina.cli.images.removals import collect, dry_run_option
from lamina.cli.options.connection import connected, host_options
from lamina.cli.options.filters import warn_unknown_fields
from lamina.cli.terminal.errors import FAILURE
from lamina.cli.terminal.output import (
    binary_size,
    json_of_removed,
    json_option,
    one_line,
    write,
    write_json,
    write_table,
)
from lamina.cli.terminal.progress import progress

_digests = click.argument("digests", nargs=-1, metavar="[DIGEST]...")


@click.group(cls=Group)
@host_options
def content() -> None:
    """List, verify and remove blobs."""


@content.command()
@host_options
@json_option
@click.argument("filters", nargs=-1, metavar="[FILTER]...")
def ls(*, filters: tuple[str, ...], as_json: bool) -> None:
    """List blobs.

    With FILTERs, such as 'labels."containerd.io/uncompressed"', list only blobs that match at least one.
    """
    from lamina.cli.images.records import blob_document
    from lamina.cli.snapshots.labels import format_labels

    warn_unknown_fields(filters, "blob", ("digest", "labels"))
    with connected() as client:
        found = list(progress(client.content().walk(*filters), "blobs"))
    if as_json:
        write_json([blob_document(info) for info in found])
    else:
        rows = [(info.digest, binary_size(info.size), format_labels(info.labels)) for info in found]
        write_table(("DIGEST", "SIZE", "LABELS"), rows)


@content.command()
@host_options
@json_option
@_digests
def verify(*, digests: tuple[str, ...], as_json: bool) -> None:
    """Read blobs again and compare them with their digests.

    Without DIGESTs, reads all. Exits with 1 if anything is damaged.
    """
    with connected() as client:
        found = list(progress(client.transfer().verify(*digests), "blobs", len(digests) or None))
    problems = [one for one in found if one.problem]
    if as_json:
        write_json([{"Digest": one.digest, "Size": one.size, "Problem": one.problem} for one in found])
    else:
        for one in problems:
            write(f"problem    {one_line(one.problem)}")
        blobs = "1 blob" if len(found) == 1 else f"{len(found):,} blobs"
        size = binary_size(sum(one.size for one in found))
        write(f"{blobs}, {size}" + ("" if problems else ", no damage found"))
    if problems:
        sys.exit(FAILURE)


@content.command()
@host_options
@json_option
@click.argument("digests", nargs=-1, required=True, metavar="DIGEST...")
def rm(*, digests: tuple[str, ...], as_json: bool) -> None:
    """Remove blobs in the given order; stop at the first failure.

    Removes a blob even if an image needs it.
    """
    from lamina.cli.images.records import blob_document

    with json_of_removed(as_json) as removed, connected() as client:
        store = client.content()
        for digest in digests:
            document = blob_document(store.info(digest)) if as_json else None
            store.delete(digest)
            removed.append(document)


@content.command()
@host_options
@dry_run_option
@json_option
def prune(*, dry_run: bool, as_json: bool) -> None:
    """Remove blobs that nothing needs.

    Removes unfinished blobs without a writer, too. Keeps everything younger than the host's grace, by default a
    minute. Exits with 1 if something could not be removed.
    """
    collect(dry_run=dry_run, content_only=True, as_json=as_json)
