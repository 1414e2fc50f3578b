"""What another user, or a data root that was his once, can put in a host's way."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import Error
from lamina.host import Host

SNAPSHOTTER = "io.containerd.snapshotter.v1"
NATIVE = f"{SNAPSHOTTER}.native"
METASTORE = "io.lamina.metastore.v1.lmdb"
NOBODY = 65534
"""The other user, and his group."""

KINDS = ("a link to a directory", "a link to a file", "a FIFO", "a second name of a file", "a device", "his")
"""What `plant` can put somewhere."""


class Victim:
    """A directory and a file of root's that are to stay as they are."""

    def __init__(self, place: Path) -> None:
        self.directory = place / "victim"
        self.file = self.directory / "passwd"
        for name in ("fs", "work", "snapshots", "trash", "1"):
            (self.directory / name).mkdir(parents=True)
        self.file.write_text("root:x:0:0\n")
        (self.directory / "trash/precious").write_text("precious\n")
        self._before = self._state()

    def _state(self) -> list[tuple[str, int, int, int, bytes]]:
        paths = sorted([self.directory, *self.directory.rglob("*")])
        return [
            (str(path), status.st_mode, status.st_uid, status.st_ino, path.read_bytes() if path.is_file() else b"")
            for path in paths
            for status in [path.lstat()]
        ]

    def check(self) -> None:
        """Check that nothing in it was changed, removed or added."""
        assert self._state() == self._before


def plant(path: Path, kind: str, victim: Victim) -> None:
    """Put one of `KINDS` at a path where nothing is."""
    match kind:
        case "a link to a directory":
            path.symlink_to(victim.directory)
        case "a link to a file":
            path.symlink_to(victim.file)
        case "a FIFO":
            os.mkfifo(path)
        case "a second name of a file":
            path.hardlink_to(victim.file)
        case "a device":
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # as /dev/zero: reading it does not end
        case "his":
            path.write_text("1\n")
            os.chown(path, NOBODY, NOBODY)
        case _:
            raise ValueError(kind)


def run_as_nobody(script: str, *arguments: str | Path) -> None:
    """Run a shell script as the other user, and wait for it; `$1` is the first argument."""
    subprocess.run([*_AS_NOBODY, "sh", "-ec", script, "sh", *map(str, arguments)], check=True)


@contextlib.contextmanager
def looping_as_nobody(script: str, *arguments: str | Path) -> Iterator[None]:
    """Run a shell script again and again as the other user during the block, and wait for its end."""
    # A trap waits for the program that the shell runs; one killed with the shell alone would go on.
    looping = f"trap exit TERM; while :; do {script}; done"
    command = [*_AS_NOBODY, "sh", "-c", looping, "sh", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


_AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


def host_on(place: Path, **settings: object) -> Host:
    """An embedded host with the metastore and the native snapshotter, both required."""
    config = {
        "root": f"{place}/root",
        "state": f"{place}/state",
        "required_plugins": [NATIVE, METASTORE],
        "disabled_plugins": [f"{SNAPSHOTTER}.{name}" for name in ("overlayfs", "btrfs")],
    }
    return Host.from_config(config | settings)


def refusal(host: Host) -> str:
    """The message with which a host does not start."""
    with pytest.raises(Error) as caught:
        host.start()
    return str(caught.value)


def use(host: Host) -> None:
    """Start a host, make and remove a snapshot, and stop it."""
    with host:
        native = host.get(SNAPSHOTTER, "native")
        native.prepare("k")
        native.remove("k")
        native.cleanup()


def his(path: Path) -> None:
    """Make a directory of the other user's."""
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)
