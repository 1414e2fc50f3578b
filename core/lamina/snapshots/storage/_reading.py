"""Reading a whole metastore file that nobody has open."""

from __future__ import annotations

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
        entries, problems = read_pages(reader(file.fileno()))
    contents = Contents.of(entries)
    return attrs.evolve(contents, problems=(*problems, *contents.problems))


def read_pages(read: Read) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """All entries of a file that can be read, and what is wrong with its pages.

    Entries of leaves that no page leads to any more are among them if the list of free pages is in order, so that
    they are known not to be free.

    Args:
        read: Reads the file, which nobody uses.
    """
    meta, damages = newest_meta(read)
    if meta is None:
        return [], [str(damage) for damage in damages]
    pages = Pages(read, meta)
    entries = list(pages.entries(meta.main))
    before = len(pages.damages)
    free = pages.free()
    if len(pages.damages) == before and free.isdisjoint(pages.used):
        known = {key for key, _ in entries}
        entries += [
            (key, value) for key, value in pages.orphans(free) if key not in known and value[: len(MARK)] == MARK
        ]
    return entries, [str(damage) for damage in (*damages, *pages.damages)]
