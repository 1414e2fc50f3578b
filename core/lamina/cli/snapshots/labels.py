"""Labels on the command line: `key=value`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from lamina.cli.terminal.output import escape


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


def format_labels(labels: Mapping[str, str]) -> str:
    """Format labels on one line, sorted: `k=v,k=v`."""
    return ",".join(escape(f"{key}={value}") for key, value in sorted(labels.items()))
