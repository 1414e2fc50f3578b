"""The missing layers of an image: applied one after the other or side by side, and committed in order."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Sequence
from typing import Final

import attrs

from lamina.context import KeyedLock
from lamina.images.unpack._arrivals import Arrivals
from lamina.images.unpack._extract import ActiveLayer, LayerUnpacker
from lamina.images.unpack._layer import Layer
from lamina.images.unpack._side_by_side import SideBySide
from lamina.layers import ParentNeeded, RootAttributes

_THREADS: Final = 3
"""Layers begun at a time. Two are applied, as more are no faster on one disk; the snapshot of the next one is made
meanwhile, so that it need not wait for the disk."""


@attrs.frozen(eq=False)
class _WaitingLayer:
    """A layer that waits for its turn to be committed. Its lock is held until then."""

    layer: Layer
    lock: contextlib.ExitStack
    active: ActiveLayer | None = None
    """None if its turn decides: it is there, made by another call, or cannot be applied without its parent."""


@attrs.frozen(eq=False)
class Chain:
    """Unpacks layers stacked on one another."""

    unpacker: LayerUnpacker
    locks: KeyedLock
    """One for each snapshot: calls that need the same layer do the work once."""
    _roots: dict[str, RootAttributes | None] = attrs.field(factory=dict, init=False)
    """The root directories of layers that were adapted to their parents, by chain id."""

    def missing(self, layers: Sequence[Layer]) -> Sequence[Layer]:
        """Return the layers that the snapshotter does not have. It has all below one that it has."""
        found = self.unpacker.destination.missing(layers)
        for layer in layers[: len(layers) - len(found)]:
            self.unpacker.report_done(layer)
        return found

    def provided(self, layers: Sequence[Layer]) -> list[Layer]:
        """Let the snapshotter make the snapshots that it can make without blobs, as remote snapshotters do.

        Returns:
            Those whose blobs are not needed.
        """
        return list(itertools.takewhile(self._provide, layers))

    def _provide(self, layer: Layer) -> bool:
        with self.locks.hold(self._key(layer)):
            return not self.unpacker.destination.has(layer.chain_id) and self.unpacker.provide(layer)

    def unpack(self, layers: Sequence[Layer], arrivals: Arrivals) -> None:
        """Make the snapshots of layers, the lowest of which has its parent.

        Raises:
            Error: As `Unpacker.unpack`.
        """
        ready = [arrivals.of(layer.descriptor.digest) for layer in layers]
        is_side_by_side = self.unpacker.destination.rebases and len(layers) > 1
        if layers:
            self.unpacker.applier.warm_up(_THREADS if is_side_by_side else 1)
        if is_side_by_side:
            begin = functools.partial(self._begin, lowest=layers[0])
            SideBySide(begin, self._finish, self._undo, _THREADS).run(layers, ready)
            return
        for layer, arrival in zip(layers, ready, strict=True):
            arrival.result()
            self._make(layer)

    def _begin(self, layer: Layer, lowest: Layer) -> _WaitingLayer:
        """Apply a layer; without its parent, which may not be there yet, if it is not the lowest one.

        It does not wait for another call that makes the layer: calls that hold layers and wait for each other's
        would wait forever.
        """
        with contextlib.ExitStack() as stack:
            is_free = stack.enter_context(self.locks.try_hold(self._key(layer)))
            if is_free and not self.unpacker.destination.has(layer.chain_id):
                with contextlib.suppress(ParentNeeded):
                    active = self.unpacker.apply(layer, rebased=layer is not lowest)
                    return _WaitingLayer(layer, stack.pop_all(), active)
        return _WaitingLayer(layer, contextlib.ExitStack())

    def _finish(self, waiting: _WaitingLayer) -> None:
        with waiting.lock:
            if waiting.active is not None and self._commit(waiting.active):
                return
        self._make(waiting.layer)

    def _commit(self, active: ActiveLayer) -> bool:
        """Commit a layer; return False if it has to be applied again with its parent."""
        if active.rebased:
            try:
                root = self.unpacker.adapt(active, self._roots.get(active.layer.parent))
            except ParentNeeded:
                return False
            self._roots[active.layer.chain_id] = root
        self.unpacker.commit(active)
        return True

    def _make(self, layer: Layer) -> None:
        """Make the snapshot of a layer, whose parent is there, unless another call has made it."""
        with self.locks.hold(self._key(layer)):
            if self.unpacker.destination.has(layer.chain_id):
                self.unpacker.report_done(layer)
                return
            active = self.unpacker.apply(layer)
            if active is not None:
                self.unpacker.commit(active)

    def _undo(self, waiting: _WaitingLayer) -> None:
        with waiting.lock:
            if waiting.active is not None:
                self.unpacker.discard(waiting.active.key)

    def _key(self, layer: Layer) -> tuple[str, str]:
        return self.unpacker.destination.name, layer.chain_id
