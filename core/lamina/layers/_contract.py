"""The contract of appliers and of differs."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from lamina.errdefs import Unimplemented
from lamina.layers.compression import Compression

if TYPE_CHECKING:
    from lamina.layers._written import WrittenLayer
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
        """Apply a layer to a tree. If that fails, part of it stays: the snapshot can only be removed then.

        Args:
            blob: The layer: a tar archive, plain or compressed with gzip or zstd.
            mounts: The mounts of an active snapshot, as its snapshotter returned them.
            rebased: The snapshot was made without a parent, and its commit puts it on one (`Snapshotter.commit`).
                Whiteouts are written as overlayfs has them (overlayfs.rst).
            progress: Called from time to time with the number of bytes of the blob that are done.

        Raises:
            InvalidArgument: The archive is malformed.
            ParentNeeded: The result depends on the parent, which a `rebased` snapshot does not have yet.
            FailedPrecondition: The mounts are read-only, or the kernel refused them (`MountFailed`).
            ResourceExhausted: The disk is full, or the layer exceeds the limits of the applier.
            Canceled, DeadlineExceeded: The current call ended.
            Unavailable: The applier is closed, or was interrupted; it can be tried again on a new snapshot.
        """

    def warm_up(self, calls: int) -> None:  # noqa: B027 - not every applier has something to prepare
        """Prepare for calls of `apply` that come soon, without waiting for anything.

        Args:
            calls: The number of calls that will run at a time.

        Raises:
            Error: As `apply`.
        """

    def close(self) -> None:  # noqa: B027 - not every applier holds something
        """Release all resources. Closing twice does nothing."""


class Differ(Applier):
    """Applies layers to snapshots, and makes layers of them. Every method may be called from any thread.

    It is what plugins of the type `io.containerd.differ.v1` provide. Those that only apply layers leave out
    `compare`.
    """

    def compare(
        self,
        lower: Sequence[Mount],
        upper: Sequence[Mount],
        write: Callable[[bytes | memoryview], object],
        *,
        compression: Compression = Compression.GZIP,
        source_date_epoch: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> WrittenLayer:
        """Write the layer that turns one tree into another. Nothing is written to the trees.

        Equal pairs of trees give the same uncompressed bytes (`layers.md`).

        Args:
            lower: The mounts of the earlier tree, as its snapshotter returned them; none for an empty tree.
            upper: The mounts of the later tree.
            write: Called with the bytes of the layer in the calling thread, one piece after the other. It must not
                keep a piece. Its exceptions end the comparison, and are passed on. After any error, the bytes
                written so far are not a layer.
            compression: The compression of the layer.
            source_date_epoch: The latest time that an entry gets, in seconds since 1970 (SOURCE_DATE_EPOCH of
                reproducible-builds.org). By default that of the newest file in the layer.
            progress: Called from time to time with the number of bytes of file data that are done.

        Raises:
            Unimplemented: The differ only applies layers.
            FailedPrecondition: A layer cannot hold a file, or the kernel refused a mount (`MountFailed`).
            Aborted: A file changed while it was read.
            PermissionDenied: A file or directory cannot be read, or another user could replace a directory.
            NotFound: A directory of the mounts is missing.
            Canceled, DeadlineExceeded: The current call ended.
            Unavailable: The differ is closed, or was interrupted; it can be tried again.
        """
        raise Unimplemented("compare trees: this differ only applies layers; use another one, such as walking")
