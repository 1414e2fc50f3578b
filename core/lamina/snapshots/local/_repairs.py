"""Repairs of a data root that no host uses. Nothing is deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lamina.fs import SecureDirectory, remove_tree
from lamina.snapshots.local._opening import SNAPSHOTS
from lamina.snapshots.local._quarantine import Quarantine
from lamina.snapshots.local._recovery import replace_record
from lamina.snapshots.local._root import RECORDS, TRASH
from lamina.snapshots.local._trash import Trash

if TYPE_CHECKING:
    from lamina.snapshots.storage.recovery_record import RecoveryRecord


def quarantine_data(path: str, id_: int) -> None:
    """Move the data of an identifier, and its recovery record if there is one, to quarantine.

    Args:
        path: The data root.
        id_: An identifier that no snapshot has.

    Raises:
        OSError: It cannot be moved.
    """
    with contextlib.ExitStack() as opened:
        root = opened.enter_context(SecureDirectory.open(path))
        snapshots, records, trash = (
            opened.enter_context(root.subdirectory(name, create_mode=0o700))
            for name in (SNAPSHOTS, RECORDS, TRASH)
        )
        Quarantine(root, Trash(trash, remove_tree)).put(id_, snapshots, records)


def write_recovery_records(path: str, records: Iterable[RecoveryRecord]) -> None:
    """Write recovery records, replacing those that exist.

    Args:
        path: The data root.
        records: The records.

    Raises:
        OSError: One cannot be written. All others are.
    """
    failures = []
    with SecureDirectory.open(path) as root, root.subdirectory(RECORDS, create_mode=0o700) as directory:
        for one in records:
            try:
                replace_record(directory, one)
            except OSError as error:
                failures.append(error)
    if failures:
        raise failures[0]
