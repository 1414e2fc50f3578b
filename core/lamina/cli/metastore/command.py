"""`lamina metastore`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Unpack

import click

from lamina.cli.groups import Group
from lamina.cli.metastore.rebuilt import problems_remain, rebuilt_document, rebuilt_lines
from lamina.cli.options.settings import Overrides, file_option, override_options
from lamina.cli.terminal.errors import FAILURE
from lamina.cli.terminal.output import binary_size, json_option, notify, one_line, write, write_json
from lamina.cli.terminal.progress import progress
from lamina.errdefs import FailedPrecondition, Unavailable

if TYPE_CHECKING:
    from lamina.diagnosis.host.configured import ConfiguredHost

_dry_run = click.option("--dry-run", is_flag=True, help="Print what would be done, and change nothing.")
_adopt = click.option("--adopt", is_flag=True, help="Also take over data roots that belong to another metastore.")


@click.group(cls=Group)
def metastore() -> None:
    """Check, back up, restore and rebuild the metastore.

    The metastore is the database of all snapshots.
    """


@metastore.command()
@file_option
@override_options
@json_option
def check(file: str | None, *, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Check the whole metastore, or a copy of it while a host runs.

    Exits with 1 if anything in it is damaged.
    """
    from lamina.diagnosis.host.configured import ConfiguredHost
    from lamina.snapshots.recovery import inspect_copy

    host = ConfiguredHost.find(file, **overrides)
    with copied(host, "check the metastore") as (path, copy):
        contents = inspect_copy(copy)
    if as_json:
        write_json(
            {
                "Metastore": path,
                "UUID": contents.uuid,
                "Snapshots": len(contents.snapshots),
                "Entries": contents.entries_by_owner(),
                "Problems": list(contents.problems),
            }
        )
    else:
        for problem in contents.problems:
            write(f"problem    {one_line(problem)}")
        write(f"{path}: {contents.counted()}" + ("" if contents.problems else ", no damage found"))
        if contents.problems:
            write("To repair it, stop the host and run lamina metastore rebuild")
    if contents.problems:
        sys.exit(FAILURE)


@metastore.command()
@file_option
@override_options
@json_option
@click.argument("destination", metavar="FILE", type=click.Path(dir_okay=False))
def backup(destination: str, file: str | None, *, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Back up the metastore to FILE, whether or not a host runs.

    The backup is a consistent snapshot. FILE appears only once it is complete, on disk and checked.
    """
    from lamina.diagnosis.host.configured import ConfiguredHost
    from lamina.snapshots.recovery import write_backup

    if destination == "-":
        raise click.UsageError("-: a backup is checked before it appears, so it cannot go to stdout: name a file")
    host = ConfiguredHost.find(file, **overrides)
    with copied(host, "back up the metastore") as (_, copy):
        made = write_backup(progress(copy, "MiB"), destination)
    if as_json:
        write_json(
            {
                "Path": made.path,
                "Size": made.size,
                "UUID": made.contents.uuid,
                "Snapshots": len(made.contents.snapshots),
                "Entries": made.contents.entries_by_owner(),
            }
        )
    else:
        notify(f"{destination}: {binary_size(made.size)}, {made.contents.counted()}")


@metastore.command()
@file_option
@override_options
@_dry_run
@_adopt
@json_option
@click.argument("source", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
def restore(
    source: str,
    file: str | None,
    *,
    adopt: bool,
    dry_run: bool,
    as_json: bool,
    **overrides: Unpack[Overrides],
) -> None:
    """Restore the metastore from a backup and bring it up to date.

    No host may run. Snapshots created since the backup are added from the recovery records in the data roots;
    snapshots removed since then are left out. The old metastore is kept beside the new one. Exits with 1 if a
    problem remains.
    """
    _rebuild(file, overrides, backup=source, adopt=adopt, dry_run=dry_run, as_json=as_json)


@metastore.command()
@file_option
@override_options
@_dry_run
@_adopt
@json_option
def rebuild(
    file: str | None, *, adopt: bool, dry_run: bool, as_json: bool, **overrides: Unpack[Overrides]
) -> None:
    """Rebuild the metastore from what is left of it and the data roots.

    No host may run. The new metastore combines everything readable in the old file with the recovery records
    beside each snapshot's data. Whatever cannot be recovered is reported, and its data stays in place. The old
    metastore is kept beside the new one. An undamaged metastore is left alone. Exits with 1 if a problem remains.
    """
    _rebuild(file, overrides, backup="", adopt=adopt, dry_run=dry_run, as_json=as_json)


def _rebuild(
    file: str | None, overrides: Overrides, *, backup: str, adopt: bool, dry_run: bool, as_json: bool
) -> None:
    from lamina.diagnosis.host.configured import ConfiguredHost
    from lamina.snapshots import recovery

    operation = f"{'restore' if backup else 'rebuild'} the metastore"
    host = ConfiguredHost.find(file, **overrides)
    if not host.is_known:
        raise FailedPrecondition(
            f"{operation}: only the address {host.address} is given, and a stopped host cannot say "
            "where its data is: give its configuration (-c FILE) or its directories (--root DIR --state DIR)"
        )
    places = host.places(operation)
    rebuilt = recovery.rebuild(places, backup=backup, adopt=adopt, dry_run=dry_run, watch=progress)
    if as_json:
        write_json(rebuilt_document(rebuilt, places.metastore, dry_run=dry_run))
    else:
        write("\n".join(map(one_line, rebuilt_lines(rebuilt, places.metastore, dry_run=dry_run))))
    if problems_remain(rebuilt):
        sys.exit(FAILURE)


@contextlib.contextmanager
def copied(host: ConfiguredHost, operation: str) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Read a copy of the metastore: from the host if it runs, else from the file, which is locked meanwhile.

    A host with other directories than those given is another one: its metastore is not read.

    Yields:
        The socket or directory copied from, and the copy in pieces.
    """
    from lamina.client import Client
    from lamina.snapshots.recovery import pieces, unused

    if host.is_named and host.error is not None:
        raise host.error
    with contextlib.ExitStack() as closed:
        client = closed.enter_context(Client(host.address))
        try:
            host = host.of_host(client.plugins())
            runs = not host.another_host
        except Unavailable:
            runs = False
        if runs:
            yield host.address, client.copy_metastore()
        else:
            path = host.places(operation).metastore
            yield path, pieces(closed.enter_context(unused(path)))
