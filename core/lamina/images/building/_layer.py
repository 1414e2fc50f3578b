"""The layer with the changes of a snapshot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, get_args

import attrs

from lamina.content import ContentStore, Descriptor, Writer
from lamina.errdefs import AlreadyExists, InvalidArgument, NotFound, RefLocked
from lamina.images._labels import UNCOMPRESSED, add_label
from lamina.images._namespaces import keyspace_of
from lamina.images._progress import Progress, Report
from lamina.images._results import LayerCompression
from lamina.images._temporary_lease import TemporaryLease
from lamina.images.building._base import OCI_TYPES
from lamina.images.building._documents import NewLayer
from lamina.images.unpack import Destination
from lamina.layers import Compression
from lamina.snapshots import Kind
from lamina.snapshots.mounted import check_unused
from lamina.snapshots.temporary import Owner, remove_leftovers, temporary_mounts

if TYPE_CHECKING:
    from lamina.layers import Differ, WrittenLayer

_OTHERWISE: Final = "or commit it as it is (--live)"


@attrs.frozen(eq=False)
class LayerSource:
    """A snapshot of which a layer is made."""

    destination: Destination
    """The snapshotter that has the snapshot, in the keyspace of the images."""
    namespace: str
    key: str
    differ: Differ
    compression: LayerCompression
    live: bool = False
    """True if the snapshot may be in use."""
    progress: Report | None = None

    def check(self) -> None:
        """Check that the snapshot exists.

        Raises:
            NotFound: It does not.
        """
        try:
            self.destination.snapshotter.stat(self.key)
        except NotFound as error:
            place = f"{self.destination.name}/{keyspace_of(self.namespace)}"
            raise NotFound(
                f"{error} in {place}: lamina snapshots --snapshotter {place} ls lists those that do"
            ) from error

    def write(
        self, content: ContentStore, base: str, source_date_epoch: int | None, lease: TemporaryLease
    ) -> NewLayer | None:
        """Store the changes of the snapshot as a layer; return None if there are none.

        Args:
            content: The store.
            base: The snapshot to compare it with; "" for an empty tree.
            source_date_epoch: As for `Differ.compare`.
            lease: Keeps the layer and the snapshots.

        Raises:
            FailedPrecondition: The snapshot is mounted, and not `live`.
            Aborted: A file changed while it was read.
            RefLocked: Another call is committing the snapshot.
            Error: As `Differ.compare`.
        """
        known = get_args(LayerCompression)
        if self.compression not in known:
            raise InvalidArgument(f"compression {self.compression[:32]!r}: expected {', '.join(known)}")
        compression = Compression(self.compression)
        self._check_unused()
        if base == self.key:
            return None
        with self._ingest(content) as writer:
            written = self._compare(base, writer, compression, source_date_epoch)
            self._check_unused()
            self._report(written.uncompressed_size, written.uncompressed_size)
            if not written.entries:
                return None
            lease.add_blob(written.digest)
            try:
                writer.commit(size=written.size, digest=written.digest, labels={UNCOMPRESSED: written.diff_id})
            except AlreadyExists:
                add_label(content, written.digest, UNCOMPRESSED, written.diff_id)
        descriptor = Descriptor(OCI_TYPES[compression], written.digest, written.size)
        return NewLayer(descriptor, written.diff_id)

    def _compare(
        self, base: str, writer: Writer, compression: Compression, source_date_epoch: int | None
    ) -> WrittenLayer:
        owner = Owner()
        remove_leftovers(self.destination.snapshotter, owner)
        with (
            temporary_mounts(self.destination.snapshotter, base, owner) as lower,
            temporary_mounts(self.destination.snapshotter, self.key, owner) as upper,
        ):
            return self.differ.compare(
                lower,
                upper,
                writer.write,
                compression=compression,
                source_date_epoch=source_date_epoch,
                progress=self._report,
            )

    @contextlib.contextmanager
    def _ingest(self, content: ContentStore) -> Iterator[Writer]:
        """Open the ingest for the layer. A snapshot has one, so that killed commits leave one behind at most."""
        from hashlib import sha256

        ref = f"commit-{sha256(f'{self.destination.name} {self.namespace} {self.key}'.encode()).hexdigest()}"
        try:
            writer = content.writer(ref)
        except RefLocked as error:
            raise RefLocked(
                f"snapshot {self.key!r} is being committed by another call; try again when that has ended"
            ) from error
        try:
            with writer:
                writer.truncate()
                yield writer
        finally:
            with contextlib.suppress(NotFound, RefLocked):
                content.abort(ref)

    def _check_unused(self) -> None:
        if not self.live and self.destination.snapshotter.stat(self.key).kind is Kind.ACTIVE:
            check_unused(self.destination.snapshotter, self.key, otherwise=_OTHERWISE)

    def _report(self, done: int, total: int = 0) -> None:
        if self.progress:
            self.progress(Progress(self.key, "commit", done, total))
