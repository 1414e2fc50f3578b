"""Metadata encoded for the wire."""

from __future__ import annotations

import abc
from collections.abc import Iterator


class InfoMessages(abc.ABC):
    """An optional addition to the contract: encoded infos, which a service passes on without decoding them.

    An encoded info is field 1 of a message, with tag and length.
    """

    @abc.abstractmethod
    def stat_message(self, key: str) -> bytes:
        """Return the result of `Snapshotter.stat` as a `containerd.services.snapshots.v1.StatSnapshotResponse`."""

    @abc.abstractmethod
    def walk_messages(self, *filters: str) -> Iterator[bytes]:
        """Yield each item of `Snapshotter.walk` as a `containerd.services.snapshots.v1.ListSnapshotsResponse`.

        Concatenated messages are one message with all infos.
        """
