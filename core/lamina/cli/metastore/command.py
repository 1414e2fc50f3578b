"""`lamina metastore`."""

from __future__ import annotations

import contextlib
import itertools
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

_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
_adopt = click.option("--adopt", is_flag=True, help="Take over data roots that belong to another metastore, too.")


@click.group(cls=Group)
def metastore() -> None:
    """Check, back up, restore and rebuild the metastore: the database of all snapshots."""


@metastore.command()
@file_option
@override_options
@json_option
def check(file: str | None, *, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Look through all of the metastore, a copy of it where a host runs.

    The exit code is 1 if something in it is damaged.
    """
    from lamina.diagnosis.host.configured import ConfiguredHost
    from lamina.snapshots.recovery import inspect_copy

    site = ConfiguredHost.find(file, **overrides)
    with copied(site, "check the metastore") as (path, copy):
        contents = inspect_copy(copy)
    if as_json:
        write_json(
            {
                "Metastore": path,
                "UUID": contents.uuid,
                "Snapshots": len(contents.snapshots),
                "Problems": list(contents.problems),
            }
        )
    else:
        for problem in contents.problems:
            write(f"problem    {one_line(problem)}")
        count = f"{len(contents.snapshots):,} snapshots"
        write(f"{path}: {count}" + ("" if contents.problems else ", nothing is damaged"))
        if contents.problems:
            write("To mend it: stop the host, then lamina metastore rebuild")
    if contents.problems:
        sys.exit(FAILURE)


@metastore.command()
@file_option
@override_options
@json_option
@click.argument("destination", metavar="FILE", type=click.Path(dir_okay=False))
def backup(destination: str, file: str | None, *, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Copy the metastore to FILE, as it is at one moment, while the host runs or not.

    FILE is there when the copy is whole, on disk, and found to be in order.
    """
    from lamina.diagnosis.host.configured import ConfiguredHost
    from lamina.snapshots.recovery import write_backup

    site = ConfiguredHost.find(file, **overrides)
    with copied(site, "back up the metastore") as (_, copy):
        made = write_backup(progress(copy, "MiB"), destination)
    if as_json:
        write_json(
            {
                "Path": made.path,
                "Size": made.size,
                "UUID": made.contents.uuid,
                "Snapshots": len(made.contents.snapshots),
            }
        )
    else:
        notify(f"{destination}: {binary_size(made.size)}, {len(made.contents.snapshots):,} snapshots")


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
    """Put a backup in the place of the metastore, and bring it up to date. No host may run.

    Snapshots that were made since the backup are added from the recovery records in the data roots, and those that
    were removed are left out. The metastore of before is set aside beside the new one.
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
    """Make the metastore anew from what is left of it, and from the data roots. No host may run.

    Whatever can be read of its file counts, and the recovery records beside each snapshot's data. What cannot be
    brought back is said, and its data stays where it is; the exit code is 1 then. The metastore of before is set
    aside beside the new one. One that is in order is left alone.
    """
    _rebuild(file, overrides, backup="", adopt=adopt, dry_run=dry_run, as_json=as_json)


def _rebuild(
    file: str | None, overrides: Overrides, *, backup: str, adopt: bool, dry_run: bool, as_json: bool
) -> None:
    from lamina.diagnosis.host.configured import ConfiguredHost
    from lamina.snapshots import recovery

    site = ConfiguredHost.find(file, **overrides)
    if not site.is_known:
        raise FailedPrecondition(
            f"rebuild the metastore: only the address {site.address} is named, and a host that is stopped cannot "
            "say where it keeps its data: name its configuration (-c FILE), or its directories (--root DIR "
            "--state DIR)"
        )
    places = site.places("rebuild the metastore")
    rebuilt = recovery.rebuild(places, backup=backup, adopt=adopt, dry_run=dry_run, watch=progress)
    if as_json:
        write_json(rebuilt_document(rebuilt, places.metastore, dry_run=dry_run))
    else:
        write("\n".join(map(one_line, rebuilt_lines(rebuilt, places.metastore, dry_run=dry_run))))
    if problems_remain(rebuilt):
        sys.exit(FAILURE)


@contextlib.contextmanager
def copied(site: ConfiguredHost, asked: str) -> Iterator[tuple[str, Iterable[bytes]]]:
    """A copy of the metastore in pieces: from the host if one runs, else of the file, which no host may open.

    Yields:
        Whose copy it is, the socket of the host or the directory; and the copy.
    """
    from lamina.client import Client
    from lamina.snapshots.recovery import pieces, unused

    with contextlib.ExitStack() as closed:
        copy = closed.enter_context(Client(site.address)).copy_metastore()
        try:
            first = next(copy)
        except Unavailable:
            path = site.places(asked).metastore
            yield path, pieces(closed.enter_context(unused(path)))
        else:
            yield site.address, itertools.chain([first], copy)
