"""Reading a whole metastore file that nobody has open."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from lamina.snapshots.storage._check import reader
from lamina.snapshots.storage._contents import Contents
from lamina.snapshots.storage._format import MARK
from lamina.snapshots.storage._meta import Read, newest_meta
from lamina.snapshots.storage._pages import Pages


def read_file(path: str) -> Contents:
    """Read the contents of a file, as far as they are whole. Nothing is written, also not beside it.

    Args:
        path: The file. Nobody may change it meanwhile.

    Raises:
        NotFound: It does not exist.
        FailedPrecondition: It is of a schema version that is not known.
    """
    with open(path, "rb", buffering=0) as file:
        found = read_pages(_lenient(reader(file.fileno())))
    contents = Contents.of(found.entries.items())
    return attrs.evolve(contents, problems=(*found.problems, *contents.problems))


def _lenient(read: Read) -> Read:
    """Read nothing where the disk fails: the rest is wanted all the same."""

    def read_if_possible(offset: int, size: int) -> bytes:
        try:
            return read(offset, size)
        except OSError:
            return b""

    return read_if_possible


@attrs.frozen
class Readable:
    """What can be read of a file."""

    entries: Mapping[bytes, bytes] = attrs.field(factory=dict)
    """Keys and values, as they are stored."""
    problems: tuple[str, ...] = ()
    """What is wrong with its pages, a line each."""
    misses_entries: bool = False
    """Whether some of the pages could not be read."""


def read_pages(read: Read) -> Readable:
    """Read all entries of a file that can be read.

    Entries of leaves that no page leads to any more are among them if the list of free pages is in order, so that
    they are known not to be free.

    Args:
        read: Reads the file, which nobody uses.
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
