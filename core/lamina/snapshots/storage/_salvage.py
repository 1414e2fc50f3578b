"""Salvaging the intact entries of a damaged metastore file."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import attrs

from lamina.errdefs import DataLoss, translated
from lamina.fs import exchange, sync_directory
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._contents import Contents, Counters
from lamina.snapshots.storage._format import UPDATED
from lamina.snapshots.storage._reading import read_pages
from lamina.snapshots.storage._writing import write_file
from lamina.store._format import MARK, is_intact, value_in
from lamina.store._fsck import reader
from lamina.store._lmdb import DATA
from lamina.store._meta import Read

_log = logging.getLogger(__name__)

MORE_IDS: Final = 1 << 20
"""The number of identifiers to skip: lost commits may have reserved some."""
TOLD: Final = 10
"""Maximum number of problems that are logged, one per line."""
_UUID: Final = re.compile(re.escape(layout.UUID + MARK) + rb"([0-9a-f-]{36})....", re.DOTALL)


def salvage(directory: str, problems: Sequence[str]) -> None:
    """Replace a damaged file by a new one with the intact entries. The damaged one is set aside, never deleted.

    The new file has the same UUID, a later generation and unused identifiers, and is marked as salvaged
    (`layout.SALVAGED`): nothing is reclaimed until it is rebuilt.

    Args:
        directory: The metastore's directory, which no process uses.
        problems: The problems of its file.

    Raises:
        DataLoss: Too little is intact.
        ResourceExhausted: There is no space for a new file. Nothing was changed.
    """
    path = os.path.join(directory, DATA)
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    aside = f"{path}.damaged-{now}"
    with translated(f"replace the damaged metastore {path}"):
        with open(path, "rb", buffering=0) as file:
            contents = _salvaged(_whole_contents(file.fileno()), now)
        if not contents.uuid:
            raise DataLoss(
                f"metastore {directory} is damaged: {'; '.join(problems[:3])}. Too little of it is intact. "
                "Nothing was changed. Rebuild it from recovery records (`lamina metastore rebuild`), or restore "
                "it and the data roots from the same backup"
            )
        unfinished = path + ".new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
        write_file(unfinished, contents)
        os.rename(unfinished, aside)
        exchange(aside, path)  # atomically: no start would accept a missing file, or one with two names
        sync_directory(directory)
    _log_damage(contents, problems, aside)


def _log_damage(contents: Contents, problems: Sequence[str], aside: str) -> None:
    lost = [problem for problem in contents.problems if problem not in problems]
    for problem in [*problems, *lost][:TOLD]:
        _log.error("the metastore was damaged: %s", problem)
    _log.error(
        "the metastore was damaged: its intact entries are served, and nothing is reclaimed. Restore the rest: "
        "`lamina metastore rebuild`",
        extra={
            "problems": len(problems) + len(lost),
            "snapshots": len(contents.snapshots),
            "set_aside": aside,
        },
    )


def _whole_contents(fd: int) -> Contents:
    read = reader(fd)
    found = read_pages(read)
    if not found.entries:
        return Contents()
    entries = dict(found.entries)
    version = entries.get(layout.VERSION, b"")
    if version and is_intact(layout.VERSION, version):
        entries[layout.SCHEMA_KEY] = value_in(version)
    stale = _stale_records(entries, is_complete=not found.misses_entries)
    contents = Contents.of((key, value) for key, value in entries.items() if key not in stale)
    suspect = {
        key[1:].decode(): contents.greatest_id(key[1:].decode())
        for key, value in entries.items()
        if key[:1] == b"f" and not is_intact(key, value)
    }
    return attrs.evolve(
        contents,
        uuid=contents.uuid or next(_uuids(read, os.fstat(fd).st_size), ""),
        failed_syncs={**contents.failed_syncs, **suspect},
        problems=(
            *contents.problems,
            *(f"{layout.describe(key)} was left out: no identifier leads to it" for key in stale),
        ),
    )


def _stale_records(entries: Mapping[bytes, bytes], *, is_complete: bool) -> set[bytes]:
    """Return the keys of outdated records: a disk that loses a write leaves an earlier page in place.

    No identifier leads to a record that was removed or renamed since. That is conclusive if the index is complete,
    or if another record has the same identifier.

    Args:
        entries: All readable entries.
        is_complete: Whether all entries are readable.
    """
    values = {key: value_in(data) for key, data in entries.items() if is_intact(key, data)}
    owners = {number: key[1:].partition(b"\0")[0] for key, number in values.items() if key[:1] == b"s"}
    led_to = {value for key, value in values.items() if key[:1] == b"i"}
    index_is_whole = is_complete and all(key in values for key in entries if key[:1] == b"i")
    records = [key for key in values if key[:1] == b"k"]
    stale = {key for key in records if index_is_whole and key not in led_to}
    latest: dict[tuple[bytes, bytes], bytes] = {}
    for key in sorted(records, key=lambda key: (key in led_to, values[key][UPDATED])):
        same = latest.get(place := (owners.get(key[1:5], b""), values[key][1:9]))
        stale |= {same} if same is not None else set()
        latest[place] = key
    return stale


def _uuids(read: Read, size: int) -> Iterator[str]:
    """Yield the UUIDs found anywhere in a file; a metastore has only one, which never changes."""
    step = 1 << 20
    for start in range(0, size, step):
        for found in _UUID.finditer(read(start, step + 64)):
            if is_intact(layout.UUID, found[0][len(layout.UUID) :]):
                yield found[1].decode()


def _salvaged(contents: Contents, now: str) -> Contents:
    """Return the contents with counters beyond all that were ever used."""
    names = {*contents.counters, *(one.snapshotter for one in contents.snapshots)}
    counters = {name: contents.counters.get(name, Counters(layout.UNKNOWN_ID)) for name in names}
    advanced = {
        name: Counters(
            max(one.next_id, contents.greatest_id(name) + 1) + MORE_IDS,
            max(one.generation, int(time.time())),  # no store is opened as often as once a second
        )
        for name, one in counters.items()
    }
    return attrs.evolve(contents, counters=advanced, salvaged=now)
