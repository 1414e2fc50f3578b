"""The check of a metastore's file: pages, checksums, and whether entries agree.

It reads every page: twice, where a quick look (`_whole`) does not find all to be well. A process of its own does
it (`main`) if the file is large. So that this starts quickly, the module needs nothing of the rest of lamina.
"""

from __future__ import annotations

import gc
import itertools
import json
import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Final

from lamina.snapshots.storage._cross_check import Entries
from lamina.snapshots.storage._format import SCHEMA, is_intact, value_in
from lamina.snapshots.storage._leaves import Data
from lamina.snapshots.storage._meta import Meta, Read, Tree, newest_meta
from lamina.snapshots.storage._pages import Pages
from lamina.snapshots.storage._whole import is_whole

MOST: Final = 100
"""How many problems are told."""
DAMAGED: Final = 3
"""The exit code of `main` where there are problems."""


def check(read: Read, data: Data, meta: Meta | None = None) -> Iterator[str]:
    """Look for all that is wrong.

    Args:
        read: Reads the file.
        data: All of the file, for a quick look.
        meta: What it says of itself, where others write to it; nobody reuses the pages that this leads to.

    Yields:
        What is wrong, a line each.
    """
    if meta is None:
        meta, damages = newest_meta(read)
        yield from map(str, damages)
        if meta is None:
            return
    if not is_whole(data, meta):
        yield from diagnose(read, meta)


def diagnose(read: Read, meta: Meta) -> Iterator[str]:
    """As `check`, of a file that may not be whole."""
    pages = Pages(read, meta)
    entries = list(pages.entries(meta.main))
    free = pages.free()
    yield from map(str, pages.damages)
    if not free.isdisjoint(pages.used):
        yield f"page {min(free & pages.used)} is used, and said to be free"
    if not _is_of_other_schema(entries):
        yield from Entries().check(entries)


def _is_of_other_schema(entries: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a store is of a schema whose entries are not known here: of version 1, or of a newer lamina."""
    general = {key: value_in(data) for key, data in entries if key[:1] == b"m" and is_intact(key, data)}
    version = general.get(b"mversion", general.get(b"mschema", b""))
    return version.isdigit() and not 2 <= int(version) <= SCHEMA


def reader(fd: int) -> Read:
    """Read an open file.

    A read that fails proves no damage: it may succeed the next time, and is tried once more. Where it fails again,
    OSError is raised.
    """

    def read(offset: int, size: int) -> bytes:
        try:
            return os.pread(fd, size, offset)
        except OSError:
            return os.pread(fd, size, offset)

    return read


def first_problems(fd: int, data: Data, meta: Meta | None = None) -> list[str]:
    """The first of what `check` finds in an open file."""
    return list(itertools.islice(check(reader(fd), data, meta), MOST))


def main(path: str, meta: str = "") -> int:
    """Check a file and print what is wrong, a line each.

    Args:
        path: The file, which has some bytes.
        meta: What it says of itself, as JSON, where others write to it; "": what it says now.

    Returns:
        The exit code.
    """
    gc.disable()  # there is no garbage
    known = None
    if meta:
        page, size, free, main_tree, last_page, transaction = json.loads(meta)
        known = Meta(page, size, Tree(*free), Tree(*main_tree), last_page, transaction)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as data:  # a page that cannot be read ends the process by SIGBUS
        problems = first_problems(fd, data, known)
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return DAMAGED if problems else 0
