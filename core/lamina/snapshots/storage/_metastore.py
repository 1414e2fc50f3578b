"""The metastore of a host."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import ClassVar

from lamina.errdefs import DataLoss
from lamina.metrics import Metric, MetricKind
from lamina.snapshots._contract import Info
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._agreement import check_not_salvaged
from lamina.snapshots.storage._record import decode
from lamina.snapshots.storage._schema import migrate
from lamina.snapshots.storage._snapshot_counter import SnapshotCounter
from lamina.snapshots.storage._snapshotter_store import SnapshotterStore, check_name, has_snapshots
from lamina.snapshots.storage._table import Table, keyspace_names
from lamina.store import Store
from lamina.store import _checksum as checksum
from lamina.store._environment import Transaction


class MetaStore(Store):
    """The records of all snapshotters of a host, in a store which other owners share.

    At its opening, a damaged file is set aside, and its intact entries are served.
    """

    entry_check: ClassVar[str] = "lamina.snapshots.storage._fsck"

    def snapshotter(self, name: str) -> SnapshotterStore:
        """Return the part of one snapshotter.

        Args:
            name: Its plugin id.

        Raises:
            InvalidArgument: The name is empty, longer than 128 bytes, or not printable text.
        """
        check_name("snapshotter", name)
        opened_at = self._opened_at
        if name in self._opened_before:
            opened_at = self._environment.read(lambda transaction: transaction.id())
        self._opened_before.add(name)
        return SnapshotterStore(self._environment, self.uuid, self.state, name, self._ballast, opened_at)

    @functools.cached_property
    def _opened_before(self) -> set[str]:
        """The snapshotters whose parts were returned before, which may have been written to since the opening."""
        return set()

    def check_complete(self) -> None:
        """Check that no entries were left out when the store was salvaged from a damaged file.

        Raises:
            DataLoss: Some were, and the store was not rebuilt since.
            Unavailable: The store is closed.
        """
        self._environment.read(check_not_salvaged)

    def has_snapshots(self, name: str) -> bool:
        """Return whether there are snapshots of a snapshotter, given its plugin id, which need not be known.

        Raises:
            Unavailable: The store is closed.
        """
        return has_snapshots(self._environment, name)

    def check_losses(self) -> None:
        """Check that no rebuild may have lost entries of other owners, or that this was accepted.

        Raises:
            DataLoss: One may have.
            Unavailable: The store is closed.
        """
        since = self._environment.read(lambda transaction: checksum.get(transaction, layout.LOSSES))
        if since is not None:
            raise DataLoss(
                f"the rebuild of the metastore at {since.decode()} may have lost names of images, labels of blobs "
                "and leases: import or pull the images again, then run `lamina images prune`, which removes what "
                "is not needed"
            )

    def accept_losses(self) -> None:
        """Forget that a rebuild may have lost entries of other owners.

        Raises:
            ResourceExhausted, ReadOnly: The store is not writable.
            Unavailable: The store is closed.
        """
        if self._environment.read(lambda transaction: transaction.get(layout.LOSSES)) is not None:
            self._environment.write(lambda transaction: transaction.delete(layout.LOSSES))

    def keyspaces(self) -> Sequence[tuple[str, str]]:
        """Return the plugin id and the keyspace for all keyspaces that have or had snapshots.

        Raises:
            Unavailable: The store is closed.
        """
        return tuple(self._environment.read(keyspace_names).values())

    def infos(self, *except_for: str) -> Iterator[tuple[str, str, Info]]:
        """Yield the snapshots of all snapshotters, including those that are not used at present.

        Args:
            except_for: The plugin ids of snapshotters whose snapshots are left out.

        Yields:
            The snapshotter, the keyspace and the snapshot.

        Raises:
            DataLoss: A record cannot be read.
            Unavailable: The store is closed.
        """
        for snapshotter, keyspace in self.keyspaces():
            if snapshotter not in except_for:
                for data in Table(snapshotter, b"", keyspace).walk(self._environment):
                    yield snapshotter, keyspace, decode(data).info

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
