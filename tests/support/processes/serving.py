"""A `lamina serve` process under test, which says itself when it is ready."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.commands import environment as clean_environment

_SECONDS = 30.0


class Serving:
    """A host in a process of its own; its root, state and output are in a directory of the test's."""

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """Start it.

        Args:
            directory: Where its root, state and output are; its path is short.
            arguments: Of `lamina serve`.
            environment: Variables besides those of this process.
            stdout: The descriptor that it writes to; None: a file.
            stderr: As `stdout`.
            prefix: What to put before the command.
        """
        self.directory = directory
        self.root, self.state = directory / "root", directory / "state"
        self.notifications: list[str] = []
        self._notifier = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifier.bind(f"\0lamina-test-{os.getpid()}-{directory.name}-{time.monotonic_ns()}")
        name: bytes = self._notifier.getsockname()
        with open(directory / "stdout", "wb") as output, open(directory / "stderr", "wb") as errors:
            self.process = subprocess.Popen(
                [*prefix, *COMMAND, "--root", str(self.root), "--state", str(self.state), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=errors if stderr is None else stderr,
                env={**clean_environment(), **(environment or {}), "NOTIFY_SOCKET": "@" + os.fsdecode(name[1:])},
            )

    @property
    def stdout(self) -> str:
        return (self.directory / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.directory / "stderr").read_text()

    def wait_ready(self) -> Self:
        """Wait for READY=1."""
        return self.wait_for("READY=1")

    def wait_for(self, notification: str) -> Self:
        """Wait until a message to the service manager has a line; fail if the process ends first."""
        deadline = time.monotonic() + _SECONDS
        exited = os.pidfd_open(self.process.pid)
        try:
            while not any(notification in one.splitlines() for one in self.notifications):
                ready, _, _ = select.select([self._notifier, exited], [], [], deadline - time.monotonic())
                if self._notifier in ready:
                    self.notifications.append(self._notifier.recv(4096).decode())
                elif exited in ready:
                    raise AssertionError(f"exit {self.process.wait()} before {notification}:\n{self.stderr}")
                else:
                    raise AssertionError(f"no {notification} within {_SECONDS} s:\n{self.stderr}")
        finally:
            os.close(exited)
        return self

    def send(self, *signals: signal.Signals) -> Self:
        for number in signals:
            self.process.send_signal(number)
        return self

    def wait(self) -> int:
        """The exit status."""
        return self.process.wait(_SECONDS)

    def stop(self) -> int:
        """The exit status after SIGTERM."""
        return self.send(signal.SIGTERM).wait()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._notifier.close()


COMMAND = (sys.executable, "-m", "lamina.cli.main", "serve")
