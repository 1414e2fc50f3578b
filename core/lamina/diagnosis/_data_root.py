"""Check a snapshotter's data root."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.diagnosis._directories import directory
from lamina.diagnosis._locks import lock
from lamina.places import LOCK
from lamina.plugin import Finding


def data_root(path: str, host_pid: int | None) -> Iterator[Finding]:
    """Check the data root of a local snapshotter (`lamina.snapshots.local`).

    Args:
        path: Its absolute path; it need not exist.
        host_pid: The process of the running host; None if none runs.
    """
    yield from directory("data root", path, lasts=True, trees=True)
    yield lock("lock of the data root", f"{path}/{LOCK}", host_pid)
