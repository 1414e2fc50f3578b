"""File systems made for a benchmark: an old one's free space and lately removed inodes slow down one side more."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lamina.mount import Mount, lookup, temporary_mount

FORMAT = {
    # Written out at once: the kernel would otherwise do it in the background while something is measured.
    "ext4": ("mkfs.ext4", "-q", "-O", "has_journal", "-E", "lazy_itable_init=0,lazy_journal_init=0"),
    "btrfs": ("mkfs.btrfs", "--quiet"),
}
IN_MEMORY = ("tmpfs", "ramfs")
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
"""Where the programs are: not everything is on every user's path."""


@contextlib.contextmanager
def file_system(kind: str, directory: Path | None = None, gigabytes: int = 8) -> Iterator[Path]:
    """A new file system in an image file, mounted through a loop device in the block.

    Args:
        kind: ext4, which has a journal, or btrfs.
        directory: Where the image is made; None: that of temporary files.
        gigabytes: The size of the image, which is sparse.
    """
    with tempfile.TemporaryDirectory(prefix="lamina-bench-", dir=directory) as path:
        image = Path(path, "image")
        image.touch()
        os.truncate(image, gigabytes << 30)
        subprocess.run([*FORMAT[kind], image], check=True, env={**os.environ, "PATH": PATH}, capture_output=True)
        with temporary_mount([Mount(kind, str(image), ("loop",))], directory=path) as root:
            yield Path(root)


def require_disk(directory: Path | None) -> None:
    """End the program if what is in a directory, or else in that of temporary files, is only in memory."""
    where = directory or Path(tempfile.gettempdir())
    if lookup(where).type in IN_MEMORY:
        raise SystemExit(f"{where} is in memory, where a sync costs nothing: name a --directory on a disk")
