"""`lamina config`."""

from __future__ import annotations

import click

from lamina.cli._output import one_line, write
from lamina.config import HostConfig, render_default
from lamina.plugin import discover


@click.group()
def config() -> None:
    """Look at configurations. No host needs to run."""


@config.command()
def default() -> None:
    """Print what holds where no file says otherwise, with the settings of every installed plugin."""
    found = discover()
    for plugin in found.failed:
        click.echo(one_line(f"lamina: {plugin.uri} is left out: {plugin.problem}"), err=True)
    text = render_default({one.uri: one.config for one in found.registry}, HostConfig())
    write(text.removesuffix("\n"))
