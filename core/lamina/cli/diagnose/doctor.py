"""`lamina doctor`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Unpack

import click

from lamina.cli.diagnose.findings import ReportedFinding, lines
from lamina.cli.options.settings import Overrides, file_option, override_options
from lamina.cli.terminal.errors import FAILURE, reported
from lamina.cli.terminal.output import json_option, write, write_json
from lamina.cli.terminal.progress import progress
from lamina.errdefs import Error
from lamina.plugin import Finding

if TYPE_CHECKING:
    from lamina.diagnosis.host.examination import Examination

UNKNOWN_STATE: Final = 2
"""The exit code if the state is unknown; click uses it for usage errors too."""


@click.command()
@file_option
@override_options
@click.option("--repair", is_flag=True, help="Repair everything that can be repaired without data loss.")
@click.option("--dry-run", is_flag=True, help="With --repair: print what would be done, and change nothing.")
@json_option
def doctor(
    file: str | None, *, repair: bool, dry_run: bool, as_json: bool, **overrides: Unpack[Overrides]
) -> None:
    """Check and repair the data of a host.

    Compares the metastore, the data, mounts and recovery records with one another. A running host provides a copy
    of its metastore. --repair deletes nothing that any of them refers to. To find out why a snapshot does not work
    on this machine, use lamina diagnose.

    Exits with 0 if there is no problem, 1 if one remains, and 2 if the state is unknown.
    """
    if dry_run and not repair:
        raise click.UsageError("--dry-run only applies to --repair: use --repair --dry-run")
    with reported(UNKNOWN_STATE):
        from lamina.diagnosis.host.configured import ConfiguredHost
        from lamina.diagnosis.host.examination import examination

        with examination(ConfiguredHost.find(file, **overrides), progress) as examined:
            reports = [
                _repair(area, finding, examined, dry_run=dry_run) if repair else ReportedFinding(area, finding)
                for area, finding in examined.found
            ]
    if as_json:
        write_json([one.document() for one in reports])
    else:
        write("\n".join(lines(reports)))
    if any(one.is_problem for one in reports):
        sys.exit(FAILURE)


def _repair(area: str, finding: Finding, examined: Examination, *, dry_run: bool) -> ReportedFinding:
    """Repair a finding, if it has a repair, and return the outcome."""
    repair = finding.repair
    if repair is None:
        return ReportedFinding(area, finding)
    if dry_run:
        return ReportedFinding(area, finding, f"would {repair.what}")
    if examined.host_pid is not None and not repair.beside_host:
        outcome = f"not done while a host runs: stop it, then this would {repair.what}"
        return ReportedFinding(area, finding, outcome)
    try:
        repair.run()
    except (Error, OSError) as error:
        return ReportedFinding(area, finding, f"could not {repair.what}: {error}")
    return ReportedFinding(area, finding, f"done: {repair.what}", is_repaired=True)
