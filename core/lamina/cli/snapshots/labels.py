"""Labels on the command line: `key=value`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import click

from lamina.cli.terminal.output import escape
from lamina.images import keyspace_of
from lamina.snapshots import format_time


def parse_labels(context: click.Context, parameter: click.Parameter, words: Iterable[str]) -> dict[str, str]:
    """Parse the labels of a click parameter: `k=v`; `k` alone is `k=true`. The last value of a key wins.

    Raises:
        click.BadParameter: A label has no key.
    """
    labels: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key:
            raise click.BadParameter(f"{word!r} has no key: expected key=value", context, parameter)
        labels[key] = value if equals else "true"
    return labels


label_option = click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parse_labels,
    help="A label. Repeatable.",
)
"""Adds the option `labels` to a command."""


def format_labels(labels: Mapping[str, str]) -> str:
    """Format labels on one line, sorted: `k=v,k=v`."""
    return ",".join(escape(f"{key}={value}") for key, value in sorted(labels.items()))


def kept(labels: Mapping[str, str], keyspace: str) -> dict[str, str]:
    """Return the labels of a new snapshot, with one that keeps it from being collected, as `ctr` sets it.

    Args:
        labels: Those that the user wants, which have precedence.
        keyspace: The keyspace of the snapshot. Only those of images are collected.
    """
    if not keyspace.startswith(keyspace_of("")):
        return {**labels}
    return {"containerd.io/gc.root": format_time(time.time_ns()), **labels}
