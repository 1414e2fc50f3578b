"""`lamina diagnose`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final, Unpack

import click

from lamina.cli._configuration import Overrides, file_option, override_options
from lamina.cli._errors import FAILURE
from lamina.cli._output import json_option, one_line, terminal_width, write, write_json
from lamina.cli._progress import progress
from lamina.plugin import Finding, Verdict

_MARK: Final = 2 + max(map(len, Verdict))
"""Columns of the word that a finding's line begins with, and of the blanks after it."""
_NARROWEST: Final = 40
"""Columns below which no line is broken, however narrow the terminal."""


@click.command()
@file_option
@override_options
@click.option(
    "--snapshotter",
    metavar="NAME",
    envvar="LAMINA_SNAPSHOTTER",
    show_envvar=True,
    help="Look at this snapshotter alone: its plugin's id, or an alias. Default: all; with KEY, overlayfs.",
)
@json_option
@click.argument("key", required=False, default="")
def diagnose(
    key: str, file: str | None, snapshotter: str | None, as_json: bool, **overrides: Unpack[Overrides]
) -> None:
    """Find out why a snapshot does not work: what is looked at, what is found, and what to do about it.

    With KEY that snapshot is looked at too, and mounted for a moment where nothing can be written to it.

    A host may run or not. What this user may not look at is told. Nothing is changed: what is tried is tried in
    directories made for it, which are removed again. The exit code is 1 if there is a problem.
    """
    from lamina.cli._diagnose.areas import findings  # noqa: PLC0415 # brings grpc, which --help does without

    found = list(progress(findings(key, snapshotter, file, overrides), "checks"))
    if as_json:
        write_json([_document(area, finding) for area, finding in found])
    else:
        write("\n".join(_lines(found)))
    if any(finding.status is Verdict.PROBLEM for _, finding in found):
        sys.exit(FAILURE)


def _document(area: str, finding: Finding) -> dict[str, str]:
    return {
        "Area": area,
        "Check": finding.check,
        "Status": finding.status,
        "Found": finding.found,
        "Remedy": finding.remedy,
    }


def _lines(found: Sequence[tuple[str, Finding]]) -> Iterator[str]:
    """The findings below the name of their area, and how many of which kind there are."""
    width = terminal_width()
    last = ""
    for area, finding in found:
        if area != last:
            yield one_line(area)
            last = area
        yield from _wrapped(f"{finding.status:{_MARK}}", f"{finding.check}: {finding.found}", width)
        if finding.remedy:
            yield from _wrapped(" " * _MARK, f"remedy: {finding.remedy}", width)
    counts = [(verdict, sum(finding.status is verdict for _, finding in found)) for verdict in Verdict]
    yield ""
    yield ", ".join(f"{count} {verdict}" for verdict, count in counts if count)


def _wrapped(mark: str, text: str, width: int | None) -> Iterator[str]:
    """Text after a mark: on one line, or on a terminal on as many as it takes, indented."""
    line = f"  {mark}{one_line(text)}"
    if width is None:
        yield line
        return
    yield from textwrap.wrap(
        line,
        max(width, _NARROWEST),
        subsequent_indent=" " * (4 + _MARK),
        break_long_words=False,
        break_on_hyphens=False,
    )
