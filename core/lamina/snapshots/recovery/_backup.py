"""Backups of a metastore: one checked file each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from lamina.errdefs import DataLoss, NotFound, translated
from lamina.fs import Lock, fsync, sync_directory
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
        Error: The file cannot be written.
    """
    unfinished = path + layout.UNFINISHED
    with translated("write a backup of the metastore"), contextlib.ExitStack() as undo:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(unfinished, flags, 0o600), "wb") as file:
            undo.callback(os.unlink, unfinished)
            file.writelines(copy)
            file.flush()
            fsync(file.fileno())
        backup = Backup(path, os.path.getsize(unfinished), checked(unfinished))
        os.rename(unfinished, path)
        undo.pop_all()
        sync_directory(os.path.dirname(os.path.abspath(path)))
        return backup


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


def checked(path: str) -> Contents:
    """Read the contents of a sound metastore file.

    Raises:
        DataLoss: The file is damaged; the message has the first problem.
    """
    contents = read_file(path)
    if contents.problems or not contents.uuid:
        problems = (*contents.problems, *(() if contents.uuid else ("it has no UUID",)))
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DataLoss(f"the metastore in {path} is damaged: {problems[0]}{more}")
    return contents
