"""The command `lamina` itself. It imports a subcommand when that is called, and nothing for the others."""

from __future__ import annotations

import atexit
import gc
from typing import Any, Final

import click

from lamina.cli.groups import Lazy, LazyGroup
from lamina.cli.options.environment import unknown_variables
from lamina.cli.options.settings import tell_warnings
from lamina.cli.terminal.errors import reported
from lamina.cli.terminal.streams import open_standard_streams

_COMMANDS: Final = {
    "completion": Lazy(
        "lamina.cli.completion:completion",
        "Print a script with which a shell completes commands and options.",
    ),
    "config": Lazy(
        "lamina.cli.config.command:config",
        "Look at configurations.",
    ),
    "containerd-config": Lazy(
        "lamina.cli.containerd.command:containerd_config",
        "Print what makes containerd use the snapshotters of a running host.",
    ),
    "diagnose": Lazy(
        "lamina.cli.diagnose.command:diagnose",
        "Find out why a snapshot does not work: what is looked at, what is found, and what to do about it.",
    ),
    "doctor": Lazy(
        "lamina.cli.diagnose.doctor:doctor",
        "Find out whether what the host keeps is whole, and what to do where it is not.",
    ),
    "metastore": Lazy(
        "lamina.cli.metastore.command:metastore",
        "Check, back up, restore and rebuild the metastore: the database of all snapshots.",
    ),
    "plugins": Lazy(
        "lamina.cli.plugins.command:plugins",
        "Look at plugins: those of a running host, or those that a configuration makes for.",
    ),
    "serve": Lazy(
        "lamina.cli.serve:serve",
        "Start all plugins and serve until SIGTERM or SIGINT.",
    ),
    "snapshots": Lazy(
        "lamina.cli.snapshots.command:snapshots",
        "Make, look at and remove the snapshots of a running host.",
    ),
    "version": Lazy(
        "lamina.cli.version:version",
        "Print the versions of this command and of the host, if one runs.",
    ),
}


class _Lamina(LazyGroup):
    def invoke(self, ctx: click.Context) -> Any:
        with reported():
            return super().invoke(ctx)


@click.group(cls=_Lamina, commands=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-v", "--version", package_name="lamina")
@click.pass_context
def lamina(context: click.Context) -> None:
    """Host plugins, snapshotters among them, for containerd and for programs."""
    if context.invoked_subcommand != "serve":  # which logs them
        tell_warnings(unknown_variables())
    # Called when the subcommand has been imported: that is what is not looked at ever again.
    gc.freeze()
    gc.enable()


def main() -> None:
    """Run the command."""
    gc.disable()  # what modules make is no garbage, and to look for some takes a twentieth of the start
    atexit.register(gc.freeze)  # as much at the end, when all of it goes
    open_standard_streams()
    lamina(prog_name="lamina")


if __name__ == "__main__":
    main()
