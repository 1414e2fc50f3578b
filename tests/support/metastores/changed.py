"""A metastore with eight snapshots whose file is changed behind lamina's back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lmdb

from lamina.snapshots.storage import _layout as layout
from lamina.store._environment import Transaction
from tests.support.snapshotters.native import open_native

NATIVE = layout.NUMBER.pack(1)
SPACE = layout.NUMBER.pack(2)
KEYS = [f"key {number}" for number in range(8)]


def change(tmp_path: Path, body: Callable[[Transaction], object]) -> None:
    """Change the file without lamina."""
    with (
        lmdb.open(str(tmp_path / "metastore/data.mdb"), subdir=False, lock=False) as environment,
        environment.begin(write=True) as transaction,
    ):
        body(transaction)


def flip(tmp_path: Path, key: bytes) -> None:
    """Flip a bit in the value of an entry."""

    def body(transaction: Transaction) -> None:
        value = bytearray(transaction.get(key, b""))
        value[-9] ^= 1
        transaction.put(key, bytes(value))

    change(tmp_path, body)


def populate(tmp_path: Path) -> str:
    """Eight snapshots with data; returns the UUID of the metastore."""
    with open_native(tmp_path) as native:
        for key in KEYS:
            native.prepare(key)
        uuid = native._store.uuid
    for number in range(1, 9):
        (tmp_path / "native/snapshots" / str(number) / "f").write_text(str(number))
    return uuid


def set_aside(tmp_path: Path) -> list[Path]:
    """The damaged files that were kept."""
    return sorted((tmp_path / "metastore").glob("data.mdb.damaged-*"))
