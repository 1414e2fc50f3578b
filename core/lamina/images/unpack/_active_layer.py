"""One layer of an image: it is applied to an active snapshot, which is then committed."""

from __future__ import annotations

import logging
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

import attrs

from lamina.content import ContentStore
from lamina.context import current, use
from lamina.errdefs import Aborted, AlreadyExists, Error, InvalidArgument, NotFound
from lamina.images._progress import Progress, Report
from lamina.images.unpack._destination import Destination
from lamina.images.unpack._labels import UNCOMPRESSED, add_label
from lamina.images.unpack._layer import Layer
from lamina.images.unpack._leftovers import PREFIX
from lamina.images.unpack._owner import LABEL, Owner
from lamina.layers import Applier
from lamina.mount import Mount, is_read_only

_log = logging.getLogger(__name__)

_TRIES: Final = 3
"""How many keys are tried, as by containerd."""


@attrs.frozen
class ActiveLayer:
    """An active snapshot for a layer."""

    layer: Layer
    key: str
    rebased: bool
    """Whether it was made without its parent, which its commit gives it."""


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
            What to pass to `commit` or `discard`.

        Raises:
            ParentNeeded: What comes out depends on the parent, and `rebased` is true.
            InvalidArgument: The layer is malformed, or is not the one that the image means.
            NotFound: Its blob or its parent is missing.
        """
        prepared = self._prepare(layer, rebased)
        if prepared is None:
            self.report_done(layer)
            return None
        active, mounts = prepared
        try:
            if not mounts or not is_read_only(mounts[-1]):  # else the snapshotter has the content already
                self._apply(layer, mounts, rebased)
        except BaseException:
            self.discard(active)
            raise
        self.report_done(layer)
        return active

    def commit(self, active: ActiveLayer) -> None:
        """Commit a layer, whose parent is there. If another unpack was faster, its snapshot stays."""
        layer = active.layer
        parent = layer.parent if active.rebased else ""
        try:
            self.destination.snapshotter.commit(layer.chain_id, active.key, layer.labels, parent)
        except AlreadyExists:
            self.discard(active)
        except BaseException:
            self.discard(active)
            raise
        self.owner.end(active.key)
        add_label(self.content, layer.descriptor.digest, UNCOMPRESSED, layer.diff_id)

    def discard(self, active: ActiveLayer) -> None:
        """Remove the snapshot, also if the current call has ended."""
        try:
            with use(current().detached()):
                self.destination.snapshotter.remove(active.key)
        except NotFound:
            pass  # it was never made, or is committed, and only the answer was lost
        except Error as error:
            _log.warning(
                "could not remove an unfinished snapshot: the next unpack does",
                exc_info=error,
                extra={"key": active.key},
            )
        finally:
            self.owner.end(active.key)

    def report_done(self, layer: Layer) -> None:
        """Report that there is nothing left to do for a layer but its commit."""
        self._report(layer, layer.descriptor.size)

    def _prepare(self, layer: Layer, rebased: bool) -> tuple[ActiveLayer, Sequence[Mount]] | None:
        labels = {**layer.labels, LABEL: self.owner.label}
        for _ in range(_TRIES):
            active = ActiveLayer(layer, _key(layer), rebased)
            self.owner.begin(active.key)
            try:
                parent = "" if rebased else layer.parent
                return active, self.destination.snapshotter.prepare(active.key, parent, labels)
            except AlreadyExists:
                self.owner.end(active.key)
                if self.destination.has(layer.chain_id):  # a remote snapshotter found it
                    return None
            except BaseException:
                self.discard(active)
                raise
        raise Aborted(
            f"unpack layer {layer.descriptor.digest}: snapshotter {self.destination.name} has every key that was "
            f"tried, but not {layer.chain_id}; try again"
        )

    def _apply(self, layer: Layer, mounts: Sequence[Mount], rebased: bool) -> None:
        digest, size = layer.descriptor.digest, layer.descriptor.size
        self._report(layer, 0)
        with self.content.open(digest) as blob:
            if blob.size != size:
                raise InvalidArgument(f"layer {digest} has {blob.size} bytes, but its manifest says {size}")
            applied = self.applier.apply(
                blob, mounts, rebased=rebased, progress=lambda done: self._report(layer, done)
            )
        if applied.diff_id != layer.diff_id:
            raise InvalidArgument(
                f"layer {digest} has diff id {applied.diff_id}, but the image says {layer.diff_id}: the image was "
                "made wrongly; nothing of the layer is kept"
            )

    def _report(self, layer: Layer, done: int) -> None:
        if self.progress:
            self.progress(Progress(layer.descriptor.digest, "unpack", done, layer.descriptor.size))


def _key(layer: Layer) -> str:
    """Return a new key in the form of containerd (`UnpackKeyFormat`)."""
    word = urlsafe_b64encode(os.urandom(3)).decode()
    return f"{PREFIX}{time.time_ns() % 1_000_000_000}-{word} {layer.chain_id}"
