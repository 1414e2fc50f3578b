"""`lamina serve`."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Unpack

import click

from lamina.cli.options.environment import unknown_variables
from lamina.cli.options.settings import Overrides, configuration, file_option, override_options
from lamina.cli.terminal.output import one_line, table_lines
from lamina.config import GRPC_SERVER
from lamina.host import Host, Reloaded, configure_logging, run, takes_colour
from lamina.places import default_address
from lamina.plugin import Plugin, PluginType, Status

_log = logging.getLogger(__name__)


@click.command()
@file_option
@override_options
def serve(file: str | None, **overrides: Unpack[Overrides]) -> None:
    """Start all plugins and serve until SIGTERM or SIGINT.

    The default configuration file is /etc/lamina/config.toml, or $XDG_CONFIG_HOME/lamina/config.toml for users
    other than root; it may be absent. Files in conf.d/*.toml beside it override it, environment variables override
    files, and options override environment variables. On SIGHUP lamina reads all of them again, applies the
    settings that can change at run time, and logs those that require a restart.
    """

    def make_host() -> Host:
        config = configuration(file, overrides)
        configure_logging(config.host.debug.level, config.host.debug.format)
        if _on_terminal():
            _hide_plugins(config.host.debug.level)
        for warning in unknown_variables():
            _log.warning(warning)
        return Host(config, overrides["modules"])

    def reload(host: Host) -> Reloaded:
        config = configuration(file, overrides)
        reloaded = host.reload(config)
        configure_logging(config.host.debug.level, config.host.debug.format)
        return reloaded

    run(make_host, announce, reload)


def announce(host: Host) -> None:
    """Print what the host serves and the next commands to try. A closed stdout does not stop the host."""
    for handler in logging.root.handlers:
        handler.removeFilter(_tells_more)
    plugins = host.plugins.get_all()
    overview = _summary(plugins) if _on_terminal() else _table(plugins)
    lines = [*overview, "", *_next_steps(plugins, host.address)]
    try:
        # sys.stdout would keep what it cannot write, and fail again at exit.
        with open(1, "wb", closefd=False) as stdout:
            stdout.writelines(f"{line}\n".encode("utf-8", "surrogateescape") for line in lines)
    except OSError as error:
        _log.warning("cannot print the plugins", extra={"error": str(error)})


def _on_terminal() -> bool:
    """Return whether standard output and the log share a terminal."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def _hide_plugins(level: str) -> None:
    """Keep the plugin results that `announce` prints out of the log during start."""
    if level == "info":
        for handler in logging.root.handlers:
            handler.addFilter(_tells_more)


def _tells_more(record: logging.LogRecord) -> bool:
    """Return whether a log record is more than the result of a plugin's init."""
    announced = ("loading plugin", "loaded plugin", "skip loading plugin", "failed to load plugin")
    return not str(record.msg).startswith(announced) or record.exc_info is not None


def _table(plugins: Sequence[Plugin]) -> list[str]:
    rows = [(one.uri, _status(one), f"{one.seconds * 1000:.1f}", one.reason) for one in plugins]
    return table_lines(("PLUGIN", "STATUS", "MS", "REASON"), rows)


def _summary(plugins: Sequence[Plugin]) -> Iterator[str]:
    """Yield the number of plugins of each status, then the reason of each that does not work."""
    counts = Counter(one.status for one in plugins)
    yield f"{len(plugins)} plugins: {', '.join(f'{count} {status}' for status, count in counts.items())}"
    coloured = takes_colour(sys.stdout)
    for one in plugins:
        if one.status is not Status.OK:
            status = f"{_status(one):<8}"
            colour = "yellow" if one.status is Status.SKIPPED else "red"
            painted = click.style(status, fg=colour) if coloured else status
            yield f"  {painted} {one_line(f'{one.uri}: {one.reason}')}"


def _status(plugin: Plugin) -> str:
    return f"{plugin.status} (retrying)" if plugin.retrying else plugin.status


def _next_steps(plugins: Sequence[Plugin], address: str) -> Iterator[str]:
    working = {plugin.uri: plugin for plugin in plugins if plugin.status is Status.OK}
    if GRPC_SERVER not in working:
        yield f"No socket: {GRPC_SERVER} does not work or is not installed."
        return
    from shlex import quote

    elsewhere = "" if address == default_address() else f" -a {quote(address)}"
    yield f"Serving on {address}"
    yield ""
    yield "Try:"
    yield f"  {_program()} plugins ls{elsewhere}"
    snapshots = working.get(f"{PluginType.GRPC}.snapshots")
    if snapshots and (name := snapshots.meta.exports.get("snapshotter")):
        yield f"  ctr -a {quote(address)} snapshots --snapshotter {quote(name)} ls"
        yield ""
        yield "To use it from containerd, add the output of this command to /etc/containerd/config.toml:"
        yield f"  {_program()} containerd-config{elsewhere}"


def _program() -> str:
    """Return the command that runs this program: its name if it is on PATH, else its path."""
    path = sys.argv[0]
    if os.path.basename(path) != "lamina" or not os.path.exists(path):  # run as a module or by another program
        return "lamina"
    from shlex import quote

    # shutil.which would import compression libraries.
    places = (os.path.join(directory, "lamina") for directory in os.get_exec_path())
    found = next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), "")
    return "lamina" if found and os.path.samefile(found, path) else quote(path)
