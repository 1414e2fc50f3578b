"""The metastore of a host."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import ClassVar

from lamina.metrics import Metric, MetricKind
from lamina.snapshots.storage._schema import migrate
from lamina.snapshots.storage._snapshot_counter import SnapshotCounter
from lamina.snapshots.storage._snapshotter_store import SnapshotterStore, check_name
from lamina.store import Store
from lamina.store._environment import Transaction


class MetaStore(Store):
    """The records of all snapshotters of a host, in a store which other owners share.

    At its opening, a damaged file is set aside, and its intact entries are served.
    """

    entry_check: ClassVar[str] = "lamina.snapshots.storage._entry_check"

    def snapshotter(self, name: str) -> SnapshotterStore:
        """Return the part of one snapshotter.

        Args:
            name: Its plugin id.

        Raises:
            InvalidArgument: The name is empty, longer than 128 bytes, or not printable text.
        """
        check_name("snapshotter", name)
        return SnapshotterStore(self._environment, self.uuid, self.state, name, self._ballast)

    def metrics(self) -> Iterator[Metric]:
        """Yield the number of snapshots, the size of the store, and the durations of commits.

        Raises:
            Unavailable: The store is closed.
        """
        yield Metric(
            MetricKind.GAUGE,
            "lamina_snapshots",
            "Snapshots by kind. Each client name of a snapshotter has a keyspace of its own.",
            self._counter.count(),
            ("snapshotter", "keyspace", "kind"),
        )
        yield from super().metrics()

    @functools.cached_property
    def _counter(self) -> SnapshotCounter:
        return SnapshotCounter(self._environment)

    @classmethod
    def _salvage(cls, path: str, problems: Sequence[str]) -> None:
        from lamina.snapshots.storage._salvage import salvage

        salvage(path, problems)

    def _migrate(self, transaction: Transaction, version: int) -> None:
        migrate(transaction, version)
