"""The command `lamina`. It imports only the subcommand that is called."""

from __future__ import annotations

import gc
import signal
from typing import Any, Final

import click

from lamina.cli.groups import Lazy, LazyGroup
from lamina.cli.options.environment import unknown_variables
from lamina.cli.options.settings import print_warnings
from lamina.cli.terminal.errors import reported

_COMMANDS: Final = {
    "completion": Lazy(
        "lamina.cli.completion:completion",
        "Print a shell completion script.",
    ),
    "config": Lazy(
        "lamina.cli.config.command:config",
        "Check, print, explain and migrate configurations.",
    ),
    "containerd-config": Lazy(
        "lamina.cli.containerd.command:containerd_config",
        "Print the configuration that containerd needs.",
    ),
    "content": Lazy(
        "lamina.cli.content.command:content",
        "List, verify and remove blobs.",
    ),
    "diagnose": Lazy(
        "lamina.cli.diagnose.command:diagnose",
        "Find out why a host or a snapshot does not work.",
    ),
    "doctor": Lazy(
        "lamina.cli.diagnose.doctor:doctor",
        "Check and repair the data of a host.",
    ),
    "images": Lazy(
        "lamina.cli.images.command:images",
        "Pull, push, import, export, build and mount images.",
    ),
    "leases": Lazy(
        "lamina.cli.leases.command:leases",
        "Keep blobs and snapshots from being collected.",
    ),
    "metastore": Lazy(
        "lamina.cli.metastore.command:metastore",
        "Check, back up, restore and rebuild the metastore.",
    ),
    "plugins": Lazy(
        "lamina.cli.plugins.command:plugins",
        "Show the plugins of a host or of a configuration.",
    ),
    "serve": Lazy(
        "lamina.cli.serve:serve",
        "Start all plugins and serve until SIGTERM or SIGINT.",
    ),
    "snapshots": Lazy(
        "lamina.cli.snapshots.command:snapshots",
        "Create, inspect and remove snapshots on a running host.",
    ),
    "version": Lazy(
        "lamina.cli.version:version",
        "Print the versions of this command and of the host.",
    ),
}


class _Lamina(LazyGroup):
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with reported():  # the help may be printed here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with reported():
            return super().invoke(ctx)


@click.group(cls=_Lamina, commands=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-v", "--version", package_name="lamina")
@click.pass_context
def lamina(context: click.Context) -> None:
    """Host plugins, such as snapshotters, for containerd and other programs."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # set by `main`
        signal.signal(signal.SIGINT, signal.default_int_handler)
        context.call_on_close(_end_at_interrupts)
    if context.invoked_subcommand != "serve":  # it logs them itself
        print_warnings(unknown_variables())
    # The subcommand is imported by now: exclude everything imported so far from garbage collection.
    gc.freeze()
    gc.enable()


def _end_at_interrupts() -> None:
    """Have an interrupt end the process again, unless the command has a handler of its own."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
