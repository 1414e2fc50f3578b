"""The check of a store's file: its pages, and its entries, which a module of their owners checks further.

It reads every page, and a second time if a fast check (`is_whole`) cannot prove the file sound. A child process
runs it for large files (`main`); to start fast, the module imports nothing from the rest of lamina.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import mmap
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import Final, Protocol, cast

from lamina.store._format import SCHEMA, SCHEMA_KEY, VERSION, is_intact, value_in
from lamina.store._leaves import Batch, Data, Doubtful, batches
from lamina.store._meta import Meta, Read, Tree, newest_meta
from lamina.store._pages import Pages

MOST: Final = 100
"""Maximum number of problems reported."""
DAMAGED: Final = 3
"""The exit code of `main` if there are problems."""


class EntryCheck(Protocol):
    """A module that checks the entries of a store. To start fast, it imports no more of lamina than this one."""

    def agree(self, batches: Iterable[Batch]) -> bool:
        """Return whether entries are sound.

        Returns:
            True if `problems` would find none; False if it might.

        Raises:
            Doubtful: It might.
        """

    def problems(self, entries: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
        """Yield the problems of entries, one per line.

        Args:
            entries: All entries with the stored bytes of their values, in the order of their keys.
        """


def check(read: Read, data: Data, entries: EntryCheck, meta: Meta | None = None) -> Iterator[str]:
    """Check a file.

    Args:
        read: Reads the file.
        data: The whole file, for the fast check.
        entries: Checks the entries.
        meta: The meta page to start from if the file is in use, none of whose pages may be reused meanwhile.

    Yields:
        The problems, one per line.
    """
    if meta is None:
        meta, damages = newest_meta(read)
        yield from map(str, damages)
        if meta is None:
            return
    if not is_whole(data, entries, meta):
        yield from diagnose(read, entries, meta)


def is_whole(data: Data, entries: EntryCheck, meta: Meta) -> bool:
    """Return whether a file is sound.

    Args:
        data: The file.
        entries: Checks the entries.
        meta: Its meta page, none of whose pages may be reused meanwhile.

    Returns:
        True if `diagnose` would find no problem; False if it might, and for stores of other schema versions.
    """
    pages = Pages(lambda offset, size: data[offset : offset + size], meta)
    try:
        agree = entries.agree(batches(pages, data))
        free = pages.free()
        return agree and not pages.damages and free.isdisjoint(pages.used)
    except (Doubtful, struct.error):
        return False


def diagnose(read: Read, entries: EntryCheck, meta: Meta) -> Iterator[str]:
    """Check a file that the fast check did not find sound."""
    pages = Pages(read, meta)
    found = list(pages.entries(meta.main))
    free = pages.free()
    yield from map(str, pages.damages)
    if not free.isdisjoint(pages.used):
        yield f"page {min(free & pages.used)} is in use and listed as free"
    if not _is_of_other_schema(found):
        yield from entries.problems(found)


def _is_of_other_schema(entries: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether a store has a schema unknown here: version 1, or that of a newer lamina."""
    general = {key: value_in(data) for key, data in entries if key[:1] == b"m" and is_intact(key, data)}
    version = general.get(VERSION, general.get(SCHEMA_KEY, b""))
    return version.isdigit() and not 2 <= int(version) <= SCHEMA


def reader(fd: int) -> Read:
    """Return a function that reads an open file.

    A failed read proves no damage, since a retry may succeed: it is retried once, then OSError is raised.
    """

    def read(offset: int, size: int) -> bytes:
        try:
            return os.pread(fd, size, offset)
        except OSError:
            return os.pread(fd, size, offset)

    return read


def first_problems(fd: int, data: Data, entries: str, meta: Meta | None = None) -> list[str]:
    """Return the first `MOST` problems that `check` finds in an open file.

    Args:
        fd: The file.
        data: As `check`.
        entries: The name of an `EntryCheck`.
        meta: As `check`.
    """
    module = cast("EntryCheck", importlib.import_module(entries))
    return list(itertools.islice(check(reader(fd), data, module, meta), MOST))


def main(path: str, entries: str, meta: str = "") -> int:
    """Check a file and print its problems, one per line.

    Args:
        path: The file, which is not empty.
        entries: The name of an `EntryCheck`.
        meta: The meta page to start from, as JSON, if the file is in use; empty: the newest one.

    Returns:
        The exit code.
    """
    gc.disable()  # the check creates no reference cycles
    known = None
    if meta:
        page, size, free, main_tree, last_page, transaction = json.loads(meta)
        known = Meta(page, size, Tree(*free), Tree(*main_tree), last_page, transaction)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as data:  # an unreadable page ends the process with SIGBUS
        problems = first_problems(fd, data, entries, known)
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return DAMAGED if problems else 0
