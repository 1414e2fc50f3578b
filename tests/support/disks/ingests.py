"""Blobs stored on a disk, with the moment at which each was acknowledged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import attrs

from lamina.content import NewBlob, ingest
from lamina.content.local import LocalContentStore
from tests.support.blobs import digest_of


@attrs.frozen
class Stored:
    """Blobs that were stored together."""

    digests: tuple[str, ...]
    answered: int
    """The size of the disk's log when that was acknowledged."""


def store_by_chance(store: LocalContentStore, log: Path, rounds: int, chance: random.Random) -> Iterator[Stored]:
    """Store a few blobs of up to 300 kB together, again and again."""
    for _ in range(rounds):
        blobs = [chance.randbytes(chance.choice((0, 100, 5_000, 300_000))) for _ in range(chance.randrange(1, 5))]
        ingest(store, [NewBlob(digest_of(data), data) for data in blobs])
        yield Stored(tuple(map(digest_of, blobs)), log.stat().st_size)
