"""Extract a layer of an image to an active snapshot, which is then committed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from lamina.content import ContentStore
from lamina.errdefs import Aborted, AlreadyExists, InvalidArgument, PermissionDenied
from lamina.images._labels import UNCOMPRESSED, add_label
from lamina.images._progress import Progress, Report
from lamina.images.unpack._destination import Destination
from lamina.images.unpack._layer import Layer
from lamina.layers import Applied, Applier, RootAttributes, adapt_to_parent
from lamina.mount import Mount, is_read_only
from lamina.snapshots.temporary import EXTRACT, LABEL, Owner, discard, new_key

_TRIES: Final = 3
"""The number of keys to try, as in containerd."""


@attrs.frozen
class ActiveLayer:
    """An active snapshot for a layer."""

    layer: Layer
    key: str
    rebased: bool
    """True if it was made without its parent, which its commit gives it."""
    mounts: Sequence[Mount]
    applied: Applied | None = None
    """None if the snapshotter has the content itself, so that nothing was applied."""

    @property
    def is_staged(self) -> bool:
        """True if the snapshotter has the content already, and shows it read-only."""
        return bool(self.mounts) and is_read_only(self.mounts[-1])


@attrs.frozen(eq=False)
class LayerUnpacker:
    """Turns layers into snapshots of one destination."""

    destination: Destination
    content: ContentStore
    applier: Applier
    owner: Owner
    progress: Report | None

    def apply(self, layer: Layer, *, rebased: bool = False) -> ActiveLayer | None:
        """Apply a layer to a new active snapshot; return None if the snapshotter has the layer already.

        Args:
            layer: The layer.
            rebased: Make the snapshot without its parent, which need not be there yet.

        Returns:
            The active snapshot to commit, or to discard by its key.

        Raises:
            ParentNeeded: The result depends on the parent, and `rebased` is true.
            InvalidArgument: The layer is malformed, or is not the one that the image means.
            NotFound: Its blob or its parent is missing.
        """
        active = self._prepare(layer, rebased)
        if active is not None and not active.is_staged:
            try:
                active = attrs.evolve(active, applied=self._apply(active))
            except BaseException:
                self.discard(active.key)
                raise
        self.report_done(layer)
        return active

    def provide(self, layer: Layer) -> bool:
        """Let the snapshotter make the snapshot of a layer without its blob; return whether it did."""
        active = self._prepare(layer, rebased=False)
        if active is None:
            return True
        if active.is_staged:
            self.commit(active)
            return True
        self.discard(active.key)
        return False

    def adapt(self, active: ActiveLayer, below: RootAttributes | None) -> RootAttributes | None:
        """Adapt a layer that was made without its parent to it, now that it is there.

        Args:
            active: The layer.
            below: The result of this method for the parent; None if it was not adapted.

        Returns:
            The attributes of the root directory after the commit, if they are known.

        Raises:
            ParentNeeded: It cannot be adapted, and was discarded: apply it again with its parent.
        """
        applied = active.applied
        if applied is None:
            return None
        try:
            if below is not None and not applied.has_unchecked_whiteouts:  # a view takes two commits
                return adapt_to_parent(applied, active.mounts, below)
            with self._view(active.layer) as view:
                return adapt_to_parent(applied, active.mounts, view)
        except BaseException:
            self.discard(active.key)
            raise

    @contextlib.contextmanager
    def _view(self, layer: Layer) -> Iterator[Sequence[Mount]]:
        """Make a view of a layer's parent for the duration of the block."""
        key = new_key(EXTRACT, layer.chain_id)
        try:
            self.owner.begin(key)
            yield self.destination.snapshotter.view(key, layer.parent, {LABEL: self.owner.label})
        finally:
            self.discard(key)

    def commit(self, active: ActiveLayer) -> None:
        """Commit a layer, whose parent is there. If another unpack was faster, its snapshot stays."""
        layer = active.layer
        parent = layer.parent if active.rebased else ""
        try:
            self.destination.snapshotter.commit(layer.chain_id, active.key, layer.labels, parent)
        except AlreadyExists:
            self.discard(active.key)
        except BaseException:
            self.discard(active.key)
            raise
        self.owner.end(active.key)
        if active.applied is not None:
            add_label(self.content, layer.descriptor.digest, UNCOMPRESSED, layer.diff_id)

    def discard(self, key: str) -> None:
        """Remove a snapshot, even if the current call has ended."""
        discard(self.destination.snapshotter, key, self.owner)

    def report_done(self, layer: Layer) -> None:
        """Report that there is nothing left to do for a layer but its commit."""
        self._report(layer, layer.descriptor.size)

    def _prepare(self, layer: Layer, rebased: bool) -> ActiveLayer | None:
        labels, parent = {**layer.labels, LABEL: self.owner.label}, "" if rebased else layer.parent
        for _ in range(_TRIES):
            key = new_key(EXTRACT, layer.chain_id)
            self.owner.begin(key)
            try:
                return ActiveLayer(layer, key, rebased, self.destination.snapshotter.prepare(key, parent, labels))
            except AlreadyExists:
                self.owner.end(key)
                if self.destination.has(layer.chain_id):  # a remote snapshotter found it
                    return None
            except BaseException:
                self.discard(key)
                raise
        raise Aborted(
            f"unpack layer {layer.descriptor.digest}: snapshotter {self.destination.name} has every key that was "
            f"tried, but not {layer.chain_id}; try again"
        )

    def _apply(self, active: ActiveLayer) -> Applied:
        layer, digest, size = active.layer, active.layer.descriptor.digest, active.layer.descriptor.size
        self._report(layer, 0)
        with self.content.open(digest) as blob:
            if blob.size != size:
                raise InvalidArgument(f"layer {digest} has {blob.size} bytes, but its manifest says {size}")
            try:
                applied = self.applier.apply(
                    blob, active.mounts, rebased=active.rebased, progress=lambda done: self._report(layer, done)
                )
            except InvalidArgument as error:
                raise InvalidArgument(f"layer {digest}: {error}") from error
            except PermissionDenied as error:
                raise PermissionDenied(
                    f"layer {digest}: {error}: only root, or a host with its capabilities, can give files the "
                    "owners, modes and attributes that they have in images"
                ) from error
        if applied.diff_id != layer.diff_id:
            raise InvalidArgument(
                f"layer {digest} has diff id {applied.diff_id}, but the image says {layer.diff_id}: the image is "
                "wrong; build it again. Nothing of the layer is kept"
            )
        return applied

    def _report(self, layer: Layer, done: int) -> None:
        if self.progress:
            self.progress(Progress(layer.descriptor.digest, "unpack", done, layer.descriptor.size))
