"""Programs that tests run to their end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


class CommandFailed(Exception):
    """A program ended with an exit code other than 0. The message is what it printed."""


def run(*command: str | Path, env: dict[str, str] | None = None, seconds: float = 600) -> str:
    """Run a program to its end.

    Args:
        command: The program and its arguments.
        env: Environment variables that are added.
        seconds: How long it may take.

    Returns:
        What it printed to its standard output.

    Raises:
        CommandFailed: Its exit code was not 0.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment() | (env or {}), timeout=seconds, check=False
    )
    if done.returncode:
        raise CommandFailed(
            f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr}{done.stdout}"
        )
    return done.stdout


def imported(*arguments: str) -> set[str]:
    """The modules that a command of lamina's imports."""
    command = (sys.executable, "-v", "-m", "lamina", *arguments)  # `-X importtime` omits what is exported lazily
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120, check=False)
    return set(re.findall(r"^import '([\w.]+)' #", done.stderr, re.MULTILINE))


def environment() -> dict[str, str]:
    """The environment without what points a program at another containerd or lamina, or unbuffers its output."""
    others = ("CONTAINERD_", "LAMINA_", "PYTHONUNBUFFERED")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}
