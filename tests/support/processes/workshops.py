"""Hosts of `lamina serve` with plugins of a test's own."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes.hosts import Host

PLUGINS = """
import os, socket, threading, time
from lamina.context import current
from lamina.plugin import Registration, SkipPlugin, hookimpl

def note(text):
    with open({log!r}, "a") as log:
        log.write(text + "\\n")

def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(os.environ["NOTIFY_SOCKET"])
        manager.send(text.encode())

class Closable:
    def __init__(self, name):
        self.name = name
        note("init " + name)
    def start(self):
        note("start " + self.name)
    def close(self):
        note("close " + self.name)

def plugin(uri, init=None, **fields):
    type, _, id = uri.rpartition(".")
    return Registration(type=type, id=id, init=init or (lambda ic: Closable(id)), **fields)

def fail(ic):
    raise ValueError("cable cut")

def skip(ic):
    raise SkipPlugin("no tape here")

@hookimpl
def lamina_register():
    return [{registrations}]
"""

SERVER = 'plugin("io.containerd.server.v1.door")'
"""Without any server there is nothing to serve."""


class Workshop:
    """Starts hosts with plugins of the test's own, and keeps what they note."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started = contextlib.ExitStack()
        """Ends them."""

    @property
    def file(self) -> Path:
        """The configuration file."""
        return self.directory / "config.toml"

    def configure(self, config: str) -> None:
        """Write the configuration file. Root and state are given on the command line."""
        self.file.write_text(f'version = 4\ndisabled_distributions = ["lamina"]\n{config}')

    def notes(self) -> list[str]:
        log = self.directory / "notes"
        return log.read_text().splitlines() if log.exists() else []

    def serve(
        self,
        *registrations: str,
        code: str = "",
        config: str = "",
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        terminal: int | None = None,
    ) -> Host:
        """Start `lamina serve` with these registrations, each a Python expression.

        Args:
            registrations: The expressions.
            code: What else is in the module that has them.
            config: What the configuration says.
            arguments: More of them.
            environment: More variables.
            terminal: The descriptor of a terminal that it writes to; None: it writes to files.
        """
        source = PLUGINS.format(log=str(self.directory / "notes"), registrations=", ".join(registrations))
        (self.directory / "workshop_plugins.py").write_text(source + textwrap.dedent(code))
        places = ("--root", f"{self.directory}/root", "--state", f"{self.directory}/state")
        host = Host(
            self.directory,
            arguments=(*places, "-p", "workshop_plugins", *arguments),
            environment={"PYTHONPATH": str(self.directory), **(environment or {})},
            stdout=terminal,
            stderr=terminal,
        )
        self.configure(config)
        return self.started.enter_context(host.launched())
