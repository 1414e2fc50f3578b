"""Backups of a metastore: one checked file each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from lamina.errdefs import DataLoss, NotFound, translated
from lamina.fs import Lock
from lamina.fs.new_file import new_file
from lamina.snapshots.local import layout
from lamina.snapshots.storage.file import DATA, Contents, read_file

_CHUNK: Final = 1 << 20


@attrs.frozen
class Backup:
    """A copy of a metastore on disk."""

    path: str
    size: int
    """The size in bytes."""
    contents: Contents


@contextlib.contextmanager
def unused(metastore: str) -> Iterator[str]:
    """Lock a metastore during the block, and yield the path of its file.

    Raises:
        LockHeld: A host has it open.
        NotFound: There is no metastore.
    """
    path = os.path.join(metastore, DATA)
    if not os.path.isfile(path):
        raise NotFound(f"there is no metastore at {path}: is {metastore} the right directory?")
    with Lock.acquire(os.path.join(metastore, layout.LOCK)):
        yield path


def pieces(path: str) -> Iterator[bytes]:
    """Yield the content of a file in pieces."""
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            yield data


def write_backup(copy: Iterable[bytes], path: str) -> Backup:
    """Write a copy of a metastore to a file (mode 0600), durably, and check it.

    The file is created, or replaced, only when the copy is complete and found sound.

    Args:
        copy: The copy, in pieces.
        path: The file.

    Raises:
        DataLoss: The metastore is damaged.
        FailedPrecondition: Something is there that is not a regular file.
        Error: The file cannot be written.
    """
    with new_file(path) as fd, open(fd, "wb", closefd=False) as file:
        with translated(f"write {path}"):
            file.writelines(copy)
            file.flush()
        return Backup(path, os.fstat(fd).st_size, checked(f"/proc/self/fd/{fd}", path))


def inspect_copy(copy: Iterable[bytes]) -> Contents:
    """Read the intact contents of a copy of a metastore, by way of a temporary file.

    Raises:
        Error: There is no space for the file.
    """
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="lamina-metastore-") as file:
        file.writelines(copy)
        file.flush()
        return read_file(file.name)


def checked(path: str, name: str = "") -> Contents:
    """Read the contents of a sound metastore file.

    Args:
        path: The file.
        name: Its name for a message, if that differs.

    Raises:
        DataLoss: The file is damaged; the message has the first problem.
    """
    contents = read_file(path)
    if contents.problems or not contents.uuid:
        problems = (*contents.problems, *(() if contents.uuid else ("it has no UUID",)))
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DataLoss(f"the metastore in {name or path} is damaged: {problems[0]}{more}")
    return contents
