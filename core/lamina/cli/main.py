"""The command `lamina` itself. It imports a subcommand when that is called, and nothing for the others."""

from __future__ import annotations

import gc
import importlib
from typing import Final

import click

from lamina.cli._errors import ReportingGroup
from lamina.cli._streams import open_standard_streams

_SUBCOMMANDS: Final = {
    "config": ("lamina.cli._config", "config"),
    "containerd-config": ("lamina.cli._containerd_config", "containerd_config"),
    "diagnose": ("lamina.cli._diagnose.command", "diagnose"),
    "doctor": ("lamina.cli._doctor", "doctor"),
    "metastore": ("lamina.cli._metastore", "metastore"),
    "plugins": ("lamina.cli._plugins", "plugins"),
    "serve": ("lamina.cli._serve", "serve"),
    "snapshots": ("lamina.cli._snapshots", "snapshots"),
}
"""The module and the name in it of each."""


class _Subcommands(ReportingGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _SUBCOMMANDS:
            return None
        module, name = _SUBCOMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Subcommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-v", "--version", package_name="lamina")
def lamina() -> None:
    """Host plugins, snapshotters among them, for containerd and for programs."""
    # Called when the subcommand has been imported: that is what is not looked at ever again.
    gc.freeze()
    gc.enable()


def main() -> None:
    """Run the command."""
    gc.disable()  # what modules make is no garbage, and to look for some takes a twentieth of the start
    open_standard_streams()
    lamina(prog_name="lamina")


if __name__ == "__main__":
    main()
