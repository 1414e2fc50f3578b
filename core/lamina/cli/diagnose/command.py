"""`lamina diagnose`."""

from __future__ import annotations

import sys
from typing import Unpack

import click

from lamina.cli.diagnose.findings import ReportedFinding, lines
from lamina.cli.options.connection import default_snapshotter
from lamina.cli.options.settings import Overrides, file_option, override_options
from lamina.cli.terminal.errors import FAILURE
from lamina.cli.terminal.output import json_option, write, write_json
from lamina.cli.terminal.progress import progress


@click.command()
@file_option
@override_options
@click.option(
    "--snapshotter",
    metavar="NAME",
    envvar="LAMINA_SNAPSHOTTER",
    show_envvar=True,
    help=(
        "Id or alias of the only snapshotter to look at, or NAME/KEYSPACE for KEY. Default: all; with KEY, "
        "overlayfs or, if that does not work, one that does."
    ),
)
@json_option
@click.argument("key", required=False, default="")
def diagnose(
    key: str, file: str | None, snapshotter: str | None, as_json: bool, **overrides: Unpack[Overrides]
) -> None:
    """Find out why a host or a snapshot does not work.

    With KEY, also look at that snapshot and mount it read-only for a moment.

    A host may or may not run. Checks that this user may not make are reported as such. Nothing is changed: trials
    use temporary directories. Exits with 1 if there is a problem.
    """
    from lamina.diagnosis.host.areas import findings
    from lamina.diagnosis.host.configured import ConfiguredHost

    found = findings(ConfiguredHost.find(file, **overrides), key, snapshotter, default_snapshotter)
    reported = [ReportedFinding(*one) for one in progress(found, "checks")]
    if as_json:
        write_json([one.document() for one in reported])
    else:
        write("\n".join(lines(reported)))
    if any(one.is_problem for one in reported):
        sys.exit(FAILURE)
