"""`lamina config` in a process of its own, and what it prints."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.commands import environment
from tests.support.processes import forked

LISTENER = "io.containerd.server.v1.grpc"
OVERLAY = "io.containerd.snapshotter.v1.overlayfs"
WRONG = f'version = 4\nrot = 1\n[plugins."{LISTENER}"]\nuid = "me"\nadress = "/a"\n'
"""A file with three mistakes."""


def run(*arguments: str | Path, path: str | Path = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `path` is where it finds further packages."""
    return forked.run(*arguments, env={**environment(), "PYTHONPATH": str(path), **variables})


def printed(*arguments: str | Path, **options: str) -> str:
    """What a command prints that has nothing to complain of."""
    done = run(*arguments, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def complaints(*arguments: str | Path, **options: str) -> list[str]:
    """What a command complains of that cannot do what it was asked."""
    done = run(*arguments, **options)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()
