"""podman, apart from all others of the machine."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import run

_CONFIG = """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
"""
"""By default all podmans of a machine have their locks in one shared memory, which the first one makes."""


def podman(directory: Path, *arguments: str | Path) -> str:
    """Run podman with all that it has in a directory, whose path must be short; returns what it printed."""
    config = directory / "containers.conf"
    config.write_text(_CONFIG)
    storage = ("--root", directory / "podman", "--runroot", directory / "run", "--tmpdir", directory / "tmp")
    return run("podman", *storage, "--storage-driver", "vfs", *arguments, env={"CONTAINERS_CONF": str(config)})
