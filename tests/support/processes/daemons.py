"""Daemons as processes of a test."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Self

from tests.support.commands import environment as clean_environment
from tests.support.processes.forked import Forked

SECONDS = 120
"""How long a daemon may take to become ready, or to end."""


class Daemon:
    """A program that tells with sd_notify(3) when it is ready, and can be ended and started again.

    Use `running()`, or `launched()` for one that does not become ready or ends in a way of its own.
    """

    def __init__(
        self,
        directory: Path,
        *command: str | Path,
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        """Prepare to run a program.

        Args:
            directory: Where its output and the notification socket are put; it must exist. A short path.
            command: The program and its arguments.
            environment: Variables besides those of this process.
            stdout: The descriptor that it writes to; None: the file `stdout` in `directory`.
            stderr: As `stdout`.
        """
        self.directory = directory
        self.notifications: list[str] = []
        """What it told since it was started, or since a test cleared them."""
        self._command = command
        self._environment = dict(environment or {})
        self._outputs = {"stdout": stdout, "stderr": stderr}
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._notifier: socket.socket | None = None

    @property
    def stdout(self) -> str:
        """What it printed so far, in all its lives."""
        return (self.directory / "stdout").read_text()

    @property
    def stderr(self) -> str:
        """What it logged so far, in all its lives."""
        return (self.directory / "stderr").read_text()

    @property
    def pid(self) -> int:
        """Its process, which must have been started."""
        return self._started.pid

    @property
    def is_running(self) -> bool:
        """Whether its process, which must have been started, has not ended."""
        return self._started.poll() is None

    @contextlib.contextmanager
    def launched(self) -> Iterator[Self]:
        """Run it during the block, at the end of which it is killed."""
        try:
            yield self.launch()
        finally:
            self._end()

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Run it during the block. It may be killed and started again there; at the end it must stop cleanly.

        Raises:
            AssertionError: It did not exit with code 0 when it was asked to end.
        """
        try:
            yield self.start()
            if self._started.returncode is None:
                code = self.stop()
                assert code == 0, f"exit code {code} after SIGTERM:\n{self.stderr}"
        finally:
            self._end()

    def launch(self) -> Self:
        """Start it, and wait for nothing."""
        notifier = self._listen()
        self.notifications.clear()
        with contextlib.ExitStack() as files:
            outputs = {
                name: files.enter_context((self.directory / name).open("ab")) if given is None else given
                for name, given in self._outputs.items()
            }
            environment = clean_environment() | self._environment | {"NOTIFY_SOCKET": notifier}
            self._process = self._run(environment, **outputs)
        return self

    def _run(
        self, environment: dict[str, str], *, stdout: int | IO[bytes], stderr: int | IO[bytes]
    ) -> subprocess.Popen[bytes] | Forked:
        return subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, env=environment, stdout=stdout, stderr=stderr
        )

    def start(self) -> Self:
        """Start it, and wait until it is ready. Raises as `wait_for`."""
        return self.launch().wait_ready()

    def wait_ready(self) -> Self:
        """Wait until it has told that it is ready. Raises as `wait_for`."""
        return self.wait_for("READY=1")

    def wait_for(self, notification: str) -> Self:
        """Wait until it has told something (sd_notify(3)).

        Args:
            notification: A line of the message.

        Raises:
            ChildProcessError: It ended instead. The message has its log.
            TimeoutError: It did not tell it in time.
        """
        assert self._notifier, "not started"
        exited = os.pidfd_open(self.pid)
        try:
            poll = select.poll()
            poll.register(exited, select.POLLIN)
            poll.register(self._notifier, select.POLLIN)
            while not any(notification in told.splitlines() for told in self.notifications):
                ready = poll.poll(SECONDS * 1000)
                if not ready:
                    raise TimeoutError(f"no {notification} within {SECONDS} s:\n{self.stderr}")
                if (self._notifier.fileno(), select.POLLIN) not in ready:
                    raise ChildProcessError(
                        f"exit code {self._started.wait()} instead of {notification}:\n{self.stderr}"
                    )
                self.notifications.append(self._notifier.recv(4096).decode())
        finally:
            os.close(exited)
        return self

    def send(self, *signals: signal.Signals) -> Self:
        """Send signals to it, one after the other."""
        for one in signals:
            self._started.send_signal(one)
        return self

    def reload(self) -> None:
        """Have it read its configuration again with SIGHUP, and wait until it is ready again."""
        self.notifications.clear()
        self.send(signal.SIGHUP).wait_ready()

    def wait(self) -> int:
        """Wait until it has ended by itself; returns its exit code."""
        return self._started.wait(SECONDS)

    def stop(self) -> int:
        """Ask it to end with SIGTERM; returns its exit code."""
        return self.send(signal.SIGTERM).wait()

    def kill(self) -> None:
        """End it with SIGKILL; it may have ended already."""
        self._started.kill()
        self._started.wait()

    @property
    def _started(self) -> subprocess.Popen[bytes] | Forked:
        assert self._process, "not started"
        return self._process

    def _listen(self) -> str:
        """Listen for its notifications, those of an earlier life no more; returns the socket's path."""
        path = self.directory / "notify"
        path.unlink(missing_ok=True)
        if self._notifier:
            self._notifier.close()
        self._notifier = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifier.bind(str(path))
        path.chmod(0o666)  # it may be another user's process
        return str(path)

    def _end(self) -> None:
        if self._process:
            self.kill()
        if self._notifier:
            self._notifier.close()
