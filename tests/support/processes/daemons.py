"""Daemons as processes of a test."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.support.commands import environment

SECONDS = 30
"""How long a daemon may take to become ready, or to end."""


class Daemon:
    """A program that tells with sd_notify(3) when it is ready, and can be ended and started again."""

    def __init__(self, directory: Path, *command: str | Path) -> None:
        """Prepare to run a program.

        Args:
            directory: Where its log and the notification socket are put; it must exist.
            command: The program and its arguments.
        """
        self.directory = directory
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it printed so far, in all its lives."""
        return (self.directory / "log").read_text()

    @property
    def pid(self) -> int:
        """Its process, which must have been started."""
        return self._started.pid

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Run it during the block. It may be killed and started again there; at the end it must stop cleanly.

        Raises:
            AssertionError: It did not exit with code 0 when it was asked to end.
        """
        path = self.directory / "notify"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
            notifications.bind(str(path))
            self._notifications = notifications
            try:
                self.start()
                yield self
                if self._started.returncode is None:
                    code = self.terminate()
                    assert code == 0, f"exit code {code} after SIGTERM:\n{self.log}"
            finally:
                if self._process:
                    self.kill()

    def start(self) -> None:
        """Start it, within `running()`, and wait until it is ready.

        Raises:
            ChildProcessError: It ended instead. The message has its log.
            TimeoutError: It was not ready in time.
        """
        notify = {"NOTIFY_SOCKET": self._notifications.getsockname()}
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment() | notify
            )
        self._wait_until_ready()

    def reload(self) -> None:
        """Have it read its configuration again with SIGHUP, and wait until it is ready again."""
        self._started.send_signal(signal.SIGHUP)
        self._wait_until_ready()

    def kill(self) -> None:
        """End it with SIGKILL; it may have ended already."""
        self._started.kill()
        self._started.wait()

    def terminate(self) -> int:
        """Ask it to end with SIGTERM; returns its exit code."""
        self._started.send_signal(signal.SIGTERM)
        return self._started.wait(SECONDS)

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        assert self._process, "not started"
        return self._process

    def _wait_until_ready(self) -> None:
        notifications = self._notifications
        exited = os.pidfd_open(self.pid)
        try:
            poll = select.poll()
            poll.register(exited, select.POLLIN)
            poll.register(notifications, select.POLLIN)
            while ready := poll.poll(SECONDS * 1000):
                if (notifications.fileno(), select.POLLIN) not in ready:
                    raise ChildProcessError(f"exit code {self._started.wait()} instead of ready:\n{self.log}")
                if b"READY=1" in notifications.recv(4096).splitlines():
                    return
            raise TimeoutError(f"not ready after {SECONDS} s:\n{self.log}")
        finally:
            os.close(exited)
