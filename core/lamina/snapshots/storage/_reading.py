"""Reading a whole metastore file that no process has open."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from lamina.snapshots.storage._contents import Contents
from lamina.store._format import MARK
from lamina.store._fsck import reader
from lamina.store._meta import Read, newest_meta
from lamina.store._pages import Pages


def read_file(path: str) -> Contents:
    """Read the intact contents of a file. Nothing is written to it or beside it.

    Args:
        path: The file. No process may change it meanwhile.

    Raises:
        NotFound: It does not exist.
        FailedPrecondition: Its schema version is unknown.
    """
    with open(path, "rb", buffering=0) as file:
        read = _lenient(reader(file.fileno()))
        meta, _ = newest_meta(read)
        found = read_pages(read)
    contents = Contents.of(found.entries.items())
    transaction = meta.transaction if meta else 0
    return attrs.evolve(contents, transaction=transaction, problems=(*found.problems, *contents.problems))


def _lenient(read: Read) -> Read:
    """Return no bytes for a failed read, so that the rest can be read."""

    def read_if_possible(offset: int, size: int) -> bytes:
        try:
            return read(offset, size)
        except OSError:
            return b""

    return read_if_possible


@attrs.frozen
class Readable:
    """The readable entries of a file."""

    entries: Mapping[bytes, bytes] = attrs.field(factory=dict)
    """Keys and stored bytes."""
    problems: tuple[str, ...] = ()
    """The problems of its pages, one per line."""
    misses_entries: bool = False
    """True if unreadable pages may hide entries."""


def read_pages(read: Read) -> Readable:
    """Read all readable entries of a file.

    Leaves to which no page leads are included if the list of free pages is intact, and does not name
    them.

    Args:
        read: Reads the file, which no process uses.
    """
    meta, damages = newest_meta(read)
    if meta is None:
        return Readable(problems=tuple(map(str, damages)), misses_entries=True)
    pages = Pages(read, meta)
    entries = dict(pages.entries(meta.main))
    before = len(pages.damages)
    free = pages.free()
    if len(pages.damages) == before and free.isdisjoint(pages.used):
        for key, value in pages.orphans(free):
            if value[: len(MARK)] == MARK:
                entries.setdefault(key, value)
    return Readable(entries, tuple(map(str, (*damages, *pages.damages))), pages.misses_entries)
