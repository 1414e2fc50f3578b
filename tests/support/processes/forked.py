"""Commands of lamina in processes that are forked from one that has imported them.

Such a process has arguments, environment, directory, streams and an end of its own, as one that was started. It
saves the interpreter's start and the imports, which take most of a short command's time.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.support.commands import CommandFailed, environment
from tests.support.directories import CHECKOUT
from tests.support.processes import fork_server

running: dict[int, Forked] = {}
"""The commands that have been started and not waited for, by process id. They are children of the server."""


class Forked:
    """A command that runs, with those methods of `subprocess.Popen` that tests use."""

    def __init__(
        self,
        words: tuple[str | Path, ...],
        environment: Mapping[str, str],
        *,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
    ) -> None:
        """Start it, with nothing on its standard input.

        Args:
            words: The arguments of `lamina`.
            environment: All of its environment variables. Of those of Python's, PYTHONPATH alone has an effect.
            stdout: The file that it writes to, or its descriptor.
            stderr: As `stdout`.
        """
        request = json.dumps([list(map(str, words)), dict(environment), os.getcwd()]).encode()
        self._answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, open(os.devnull, "rb") as stdin:
            streams = [one if isinstance(one, int) else one.fileno() for one in (stdin, stdout, stderr)]
            socket.send_fds(_server(), [request], [*streams, theirs.fileno()])
        self.pid = int(self._answers.recv(32))
        self.returncode: int | None = None
        running[self.pid] = self

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; returns its exit code, or -N where signal N ended it.

        Raises:
            subprocess.TimeoutExpired: It runs longer than `timeout` seconds.
        """
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._answers, select.POLLIN)
            if not poll.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired("lamina", timeout or 0)
            self.returncode = int(self._answers.recv(32))
            self._answers.close()
            del running[self.pid]
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send it SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def end(self) -> None:
        """Kill it, and wait until it has ended."""
        self.kill()
        self.wait()


def run(*words: str | Path, env: Mapping[str, str], seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        words: The arguments of `lamina`.
        env: All of its environment variables, as of `Forked`.
        seconds: How long it may take.

    Raises:
        subprocess.TimeoutExpired: It took longer, and was killed.
    """
    with open(os.memfd_create("stdout"), "w+b") as stdout, open(os.memfd_create("stderr"), "w+b") as stderr:
        command = Forked(words, env, stdout=stdout, stderr=stderr)
        try:
            code = command.wait(seconds)
        except BaseException:
            command.end()
            raise
        return subprocess.CompletedProcess(
            ["lamina", *words], code, _text(stdout.fileno()), _text(stderr.fileno())
        )


def printed(*words: str | Path, env: Mapping[str, str]) -> str:
    """Run a command to its end; returns what it printed to its standard output.

    Raises:
        CommandFailed: Its exit code was not 0.
    """
    done = run(*words, env=environment() | dict(env))
    if done.returncode:
        raise CommandFailed(f"lamina {' '.join(map(str, words))}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def _text(fd: int) -> str:
    """Return the contents of a file, whose position is that of its writer."""
    return os.pread(fd, os.fstat(fd).st_size, 0).decode()


@functools.cache
def _server() -> socket.socket:
    """Start the process that forks the others. It is no child of this one, and ends with it."""
    requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = (sys.executable, "-m", fork_server.__name__, str(theirs.fileno()))
        fds = [theirs.fileno()]
        subprocess.run(command, pass_fds=fds, stdin=subprocess.DEVNULL, cwd=CHECKOUT, check=True)
    return requests
