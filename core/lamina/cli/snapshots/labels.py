"""Labels on the command line: `key=value`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from lamina.cli.terminal.output import escape


def parse_labels(context: click.Context, parameter: click.Parameter, words: Iterable[str]) -> dict[str, str]:
    """The callback of parameters that take labels: `k=v`; `k` alone is `k=true`. The last of a key counts.

    Raises:
        click.BadParameter: One has no key.
    """
    labels: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key:
            raise click.BadParameter(f"{word!r} has no key: expected key=value", context, parameter)
        labels[key] = value if equals else "true"
    return labels


def format_labels(labels: Mapping[str, str]) -> str:
    """Labels on one line, sorted: `k=v,k=v`."""
    return ",".join(escape(f"{key}={value}") for key, value in sorted(labels.items()))
