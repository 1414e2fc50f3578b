"""The contract of appliers."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lamina.layers.applying import Applied
    from lamina.mount import Mount


class Blob(Protocol):
    """A range of bytes in an open file, such as a `lamina.content.Blob`."""

    @property
    def fd(self) -> int:
        """The descriptor of the file."""

    @property
    def offset(self) -> int:
        """The offset in the file at which the range begins, in bytes."""

    @property
    def size(self) -> int:
        """Its length in bytes."""


class Applier(abc.ABC):
    """Applies layers to the mounts of active snapshots. Every method may be called from any thread."""

    @abc.abstractmethod
    def apply(
        self,
        blob: Blob,
        mounts: Sequence[Mount],
        *,
        rebased: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> Applied:
        """Apply a layer to a tree. What it wrote stays if it fails: the snapshot can only be removed then.

        Args:
            blob: The layer: a tar archive, plain or compressed with gzip or zstd.
            mounts: The mounts of an active snapshot, as its snapshotter returned them.
            rebased: The snapshot was made without a parent, and its commit puts it on one (`Snapshotter.commit`).
                Whiteouts are written as overlayfs has them (overlayfs.rst).
            progress: Called from time to time with the number of bytes of the blob that are done.

        Raises:
            InvalidArgument: The archive is malformed.
            ParentNeeded: What comes out depends on the parent, which a `rebased` snapshot does not have yet.
            FailedPrecondition: The mounts are read-only, or the kernel refused them (`MountFailed`).
            ResourceExhausted: The disk is full, or the layer exceeds the limits of the applier.
            Canceled, DeadlineExceeded: The current call ended.
            Unavailable: The applier is closed, or was interrupted; it can be tried again on a new snapshot.
        """

    def close(self) -> None:  # noqa: B027 - not every applier holds something
        """Release all resources. Closing twice does nothing."""
