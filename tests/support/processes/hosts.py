"""A lamina host as a process of a test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from lamina.client import Client
from tests.support.commands import run
from tests.support.processes.daemons import Daemon
from tests.support.processes.forked import Forked, printed

CONFIG = """\
version = 4
root = "{0}/root"
state = "{0}/state"
"""

LAMINA: tuple[str | Path, ...] = (sys.executable, "-m", "lamina.cli.main")
"""The command under test: this interpreter's."""


class Host(Daemon):
    """`lamina serve`, with root, state and socket of its own."""

    def __init__(
        self,
        directory: Path,
        config: str = "",
        arguments: tuple[str, ...] = (),
        *,
        lamina: tuple[str | Path, ...] | None = None,
        prefix: tuple[str | Path, ...] = (),
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        """Prepare a host.

        Args:
            directory: Where it has everything, made unless it exists. A short path: sockets have a limit.
            config: What its configuration file says beyond root and state.
            arguments: Of `lamina serve`, besides the file.
            lamina: The command of another installation, or `LAMINA` for an interpreter of its own; None: it is
                forked from one that has imported what it needs, unless that would make a difference.
            prefix: What to put before the command.
            environment: As of `Daemon`.
            stdout: As of `Daemon`.
            stderr: As of `Daemon`.
        """
        directory.mkdir(exist_ok=True)
        self.file = directory / "config.toml"
        self._words = ("serve", "--config", self.file, *arguments)
        command = (*prefix, *(lamina or LAMINA), *self._words)
        super().__init__(directory, *command, environment=environment, stdout=stdout, stderr=stderr)
        self.configure(config)
        self._lamina = lamina
        of_python = {name for name in environment or {} if name.startswith("PYTHON")}
        self._is_forked = not (lamina or prefix or of_python - {"PYTHONPATH"})
        self.root, self.state = directory / "root", directory / "state"
        self.address = f"{self.state}/lamina.sock"

    def configure(self, config: str) -> None:
        """Write its configuration file: root, state, and what is given."""
        self.file.write_text(CONFIG.format(self.directory) + config)

    @property
    def overlay(self) -> Path:
        """The data root of the overlay snapshotter."""
        return self.root / "io.containerd.snapshotter.v1.overlayfs"

    def data(self) -> dict[str, list[str]]:
        """The entries of the overlay snapshotter's directories."""
        return {name: sorted(os.listdir(self.overlay / name)) for name in ("snapshots", "records", "trash")}

    def client(self) -> Client:
        """A client of the host."""
        return Client(self.address, timeout=120)

    def keys(self, snapshotter: str) -> list[str]:
        """The keys of a snapshotter's snapshots."""
        with self.client() as client:
            return [info.name for info in client.snapshotter(snapshotter).walk()]

    def lamina(self, *arguments: str) -> str:
        """Run the command line against the host; returns what it printed."""
        if self._lamina:
            return run(*self._lamina, *arguments, env={"LAMINA_ADDRESS": self.address})
        return printed(*arguments, env={"LAMINA_ADDRESS": self.address})

    def _run(
        self, environment: dict[str, str], *, stdout: int | IO[bytes], stderr: int | IO[bytes]
    ) -> subprocess.Popen[bytes] | Forked:
        if self._is_forked:
            return Forked(self._words, environment, stdout=stdout, stderr=stderr)
        return super()._run(environment, stdout=stdout, stderr=stderr)
