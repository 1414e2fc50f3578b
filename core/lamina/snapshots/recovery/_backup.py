"""Copies of a metastore: taken, checked, and kept as one file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from lamina.errdefs import DataLoss, NotFound, from_os_error
from lamina.fs import Lock, sync_directory
from lamina.snapshots.local import layout
from lamina.snapshots.storage.file import DATA, Contents, read_file

_CHUNK: Final = 1 << 20


@attrs.frozen
class Backup:
    """A copy of a metastore on disk."""

    path: str
    size: int
    """Bytes."""
    contents: Contents


@contextlib.contextmanager
def unused(metastore: str) -> Iterator[str]:
    """The file of a metastore, which nobody uses during the block.

    Args:
        metastore: The metastore's directory.

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
    """What a file holds, in pieces."""
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            yield data


def write_backup(copy: Iterable[bytes], path: str) -> Backup:
    """Write a copy of a metastore to a file (mode 0600), durably, and check it.

    The file is there when it is whole and found to be in order; one that was there before is replaced.

    Args:
        copy: The copy, in pieces.
        path: The file.

    Raises:
        DataLoss: The metastore is damaged.
        Error: The file cannot be written.
    """
    unfinished = path + layout.UNFINISHED
    try:
        with contextlib.ExitStack() as undo:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            with open(os.open(unfinished, flags, 0o600), "wb") as file:
                undo.callback(os.unlink, unfinished)
                file.writelines(copy)
                file.flush()
                os.fsync(file.fileno())
            backup = Backup(path, os.path.getsize(unfinished), checked(unfinished))
            os.rename(unfinished, path)
            undo.pop_all()
            sync_directory(os.path.dirname(os.path.abspath(path)))
            return backup
    except OSError as error:
        raise from_os_error(error, "write a backup of the metastore") from error


def inspect_copy(copy: Iterable[bytes]) -> Contents:
    """What can be read of a copy of a metastore. It is looked at in a temporary file, which is removed again.

    Args:
        copy: The copy, in pieces.

    Raises:
        Error: There is no space for the file.
    """
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="lamina-metastore-") as file:
        file.writelines(copy)
        file.flush()
        return read_file(file.name)


def checked(path: str) -> Contents:
    """The contents of a metastore's file in which nothing is wrong.

    Raises:
        DataLoss: Something is; the message has the first problem.
    """
    contents = read_file(path)
    if contents.problems or not contents.uuid:
        problems = (*contents.problems, *(() if contents.uuid else ("it has no UUID",)))
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DataLoss(f"the metastore in {path} is damaged: {problems[0]}{more}")
    return contents
