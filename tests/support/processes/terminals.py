"""Two terminals, in which the blocks of the documentation are typed.

Host and commands share a mount namespace where some directories are empty: the tests neither see nor touch this
machine's, and what is mounted on `/mnt` goes with the last process.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.commands import environment, run
from tests.support.directories import CHECKOUT, short_directory
from tests.support.processes.daemons import SECONDS, Daemon

EMPTY_PLACES = """\
mount -t tmpfs tmpfs /run
mkdir /run/dpkg
mount --bind /var/lib/dpkg /run/dpkg
for place in /var/lib /opt /etc/containerd; do mount -t tmpfs tmpfs $place; done
mkdir /var/lib/dpkg
mount --move /run/dpkg /var/lib/dpkg
"""
"""Empties the directories of the host and of containerd; make looks up packages in dpkg's."""

Type = Callable[[str], str]
"""Types a block in the second terminal; returns what it printed."""


@contextmanager
def clone() -> Iterator[Path]:
    """A stand-in for the clone after `make run`: a directory with lamina in `.venv`."""
    with short_directory() as directory:
        (directory / ".venv").symlink_to(sys.prefix)
        (directory / "config.toml").write_text("version = 4\n")
        yield directory


@contextmanager
def first_terminal(directory: Path, command: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a command in a terminal of its own, and press Ctrl-C at the end."""
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            isolated(f"cd {directory}; {command}"),
            stdout=output,
            stderr=output,
            env=environment(),
            process_group=0,
        )
    try:
        yield process, log
        os.killpg(process.pid, signal.SIGINT)
        process.wait(SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def served(tree: Path, serve: str) -> Iterator[Type]:
    """Type a command that serves in the first terminal, and be in the second during the block."""
    place = f"cd {tree}; export LAMINA_CONFIG={tree}/config.toml"
    host = Daemon(tree, *isolated(f"{place}; exec env {serve}"))
    (path,) = re.findall(r'^export PATH=.*"', (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    with host.running():
        (tree / "pid").write_text(str(host.pid))

        def type_(block: str) -> str:
            return run(*beside(host.pid), "sh", "-ec", f"{place}; {path}\n{block}")

        yield type_


def isolated(script: str) -> tuple[str, ...]:
    """A shell in a mount namespace of its own."""
    return ("unshare", "--mount", "--propagation", "private", "sh", "-ec", f"{EMPTY_PLACES}{script}")


def beside(pid: int) -> tuple[str, ...]:
    """Return the command prefix that enters the mount namespace of a process."""
    return ("nsenter", f"--mount=/proc/{pid}/ns/mnt")
