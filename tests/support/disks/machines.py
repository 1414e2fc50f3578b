"""A machine with a disk whose writes are refused, and layers on it whose content is known."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

from lamina.mount import temporary_mount
from lamina.snapshots.local import LocalSnapshotter
from tests.support.directories import CHECKOUT
from tests.support.disks.block_devices import Disk, disk, make_file_system, mounted
from tests.support.disks.snapshotters import open_on

SIZE = 200_000
_COMMIT = """
import sys
from pathlib import Path
from tests.support.disks.snapshotters import open_on

disk, backend, metastore, state, key = sys.argv[1:]
with open_on(Path(disk), backend, metastore=Path(metastore), state=Path(state)) as snapshotter:
    try:
        snapshotter.commit(f"layer {key}", key)
    except Exception as error:
        print(type(error).__name__)
"""


@attrs.frozen
class Machine:
    """A disk for the data, and directories elsewhere for the metastore and its state."""

    disk: Disk
    directory: Path
    backend: str
    kind: str

    def mounted(self) -> contextlib.AbstractContextManager[Path]:
        """The disk's file system, mounted in the block. Nothing is left in the page cache at its end."""
        return mounted(self.disk.device, self.kind, self.directory / "mnt")

    def open(self) -> contextlib.AbstractContextManager[LocalSnapshotter]:
        """The snapshotter on that file system."""
        metastore, state = self.directory / "metastore", self.directory / "state"
        return open_on(self.directory / "mnt", self.backend, metastore=metastore, state=state)

    def commit_in_new_process(self, key: str) -> str:
        """The class of the error that a commit in a process of its own is answered with; "" for none."""
        paths = (self.directory / name for name in ("metastore", "state"))
        command = (sys.executable, "-c", _COMMIT, self.directory / "mnt", self.backend, *paths, key)
        modules = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": modules}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


@contextlib.contextmanager
def running(directory: Path, backend: str, kind: str) -> Iterator[Machine]:
    """A machine with a new file system."""
    make_file_system(kind, directory / "image")
    with disk(directory / "image") as device:
        yield Machine(device, directory, backend, kind)


def content(name: str, mark: bytes = b"") -> bytes:
    """The bytes of a layer's file: too many for an inode, or for a tree of btrfs."""
    part = mark or name.encode() * 1000
    return part * (SIZE // len(part))


def write(snapshotter: LocalSnapshotter, key: str, mark: bytes = b"") -> None:
    """Write the file of an active snapshot, which has the name of its key."""
    with temporary_mount(snapshotter.mounts(key)) as root:
        (Path(root) / key).write_bytes(content(key, mark))


def prepare(snapshotter: LocalSnapshotter, key: str, parent: str = "", mark: bytes = b"") -> None:
    """Make an active snapshot with its file."""
    snapshotter.prepare(key, parent)
    write(snapshotter, key, mark)


def whole_files(snapshotter: LocalSnapshotter, layer: str) -> set[str]:
    """The files of a layer.

    Raises:
        AssertionError: One has other bytes than were written.
    """
    snapshotter.view(f"view of {layer}", layer)
    with temporary_mount(snapshotter.mounts(f"view of {layer}")) as root:
        files = {path.name: path.read_bytes() == content(path.name) for path in Path(root).iterdir()}
    snapshotter.remove(f"view of {layer}")
    assert all(files.values()), f"{layer}: {files}"
    return set(files)
