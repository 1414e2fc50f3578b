"""The check of entries whose owners have no check of their own (`EntryCheck`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lamina.store._format import describe, is_intact
from lamina.store._leaves import Batch


def agree(batches: Iterable[Batch]) -> bool:
    """Return whether entries are sound."""
    return all(
        is_intact(key, entry[len(key) :])
        for batch in batches
        for key, entry in zip(batch.keys, batch.entries, strict=True)
    )


def problems(entries: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """Yield the problems of entries, one per line."""
    return (f"{describe(key)} has a wrong checksum" for key, data in entries if not is_intact(key, data))
