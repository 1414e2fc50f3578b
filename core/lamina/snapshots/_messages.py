"""Infos in the form in which they are sent."""

from __future__ import annotations

import abc
from collections.abc import Iterator


class InfoMessages(abc.ABC):
    """What a snapshotter may offer besides the contract, to a service that passes on what it is told.

    An info is here the bytes of field 1 of a message, with tag and length, and costs no object.
    """

    @abc.abstractmethod
    def stat_message(self, key: str) -> bytes:
        """As `Snapshotter.stat`; a `containerd.services.snapshots.v1.StatSnapshotResponse`."""

    @abc.abstractmethod
    def walk_messages(self, *filters: str) -> Iterator[bytes]:
        """As `Snapshotter.walk`; each a `containerd.services.snapshots.v1.ListSnapshotsResponse` with one info.

        Such messages one behind the other are one with all their infos.
        """
