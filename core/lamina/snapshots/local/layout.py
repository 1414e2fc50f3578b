"""The names in a data root (see `DataRoot`)."""

from __future__ import annotations

from lamina.places import LOCK
from lamina.snapshots.local._opening import SNAPSHOTS, UUID
from lamina.snapshots.local._quarantine import QUARANTINE
from lamina.snapshots.local._recovery import UNFINISHED
from lamina.snapshots.local._root import RECORDS, TRASH
from lamina.snapshots.storage import FAILED_SYNC

__all__ = ["FAILED_SYNC", "LOCK", "QUARANTINE", "RECORDS", "SNAPSHOTS", "TRASH", "UNFINISHED", "UUID"]
