"""Whether a snapshotter can keep its data in a directory."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.diagnosis._directories import directory
from lamina.diagnosis._locks import lock
from lamina.places import LOCK
from lamina.plugin import Finding


def data_root(path: str, host_pid: int | None) -> Iterator[Finding]:
    """What there is to say of the data root of a local snapshotter (`lamina.snapshots.local`).

    Args:
        path: Its absolute path; it need not exist.
        host_pid: The process of the host that runs; None where none does.
    """
    yield from directory("data root", path, lasts=True, trees=True)
    yield lock("lock of the data root", f"{path}/{LOCK}", host_pid)
