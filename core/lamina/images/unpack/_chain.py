"""The missing layers of an image: applied one after the other or side by side, and committed in order."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Final

import attrs

from lamina.context import KeyedLock
from lamina.images.unpack._active_layer import ActiveLayer, LayerUnpacker
from lamina.images.unpack._layer import Layer
from lamina.images.unpack._side_by_side import map_side_by_side
from lamina.layers import ParentNeeded

_THREADS: Final = 2
"""Layers applied at a time: more are no faster on one disk."""


@attrs.frozen(eq=False)
class _WaitingLayer:
    """A layer that waits for its turn to be committed. Its lock is held until then."""

    layer: Layer
    lock: contextlib.ExitStack
    active: ActiveLayer | None = None
    """None if there is nothing to commit, or the layer is to be applied with its parent."""
    needs_parent: bool = False


@attrs.frozen(eq=False)
class Chain:
    """Unpacks layers that lie on one another."""

    unpacker: LayerUnpacker
    locks: KeyedLock
    """One for each snapshot: calls that need the same layer do the work once."""

    def missing(self, layers: Sequence[Layer]) -> Sequence[Layer]:
        """Return the layers that the snapshotter does not have. It has all below one that it has."""
        for number in range(len(layers), 0, -1):
            if self.unpacker.destination.has(layers[number - 1].chain_id):
                for layer in layers[:number]:
                    self.unpacker.report_done(layer)
                return layers[number:]
        return layers

    def unpack(self, layers: Sequence[Layer]) -> None:
        """Make the snapshots of layers, the lowest of which has its parent.

        Raises:
            Error: As `Unpacker.unpack`.
        """
        if self.unpacker.destination.rebases and len(layers) > 1:
            begin = functools.partial(self._begin, lowest=layers[0])
            map_side_by_side(begin, self._finish, self._undo, layers, _THREADS)
            return
        for layer in layers:
            self._finish(self._begin(layer, lowest=layer))

    def _begin(self, layer: Layer, lowest: Layer) -> _WaitingLayer:
        """Apply a layer; without its parent, which may not be there yet, if it is not the lowest one."""
        destination = self.unpacker.destination
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.locks.hold((destination.name, layer.chain_id)))
            if destination.has(layer.chain_id):
                self.unpacker.report_done(layer)
                return _WaitingLayer(layer, contextlib.ExitStack())
            active, needs_parent = None, False
            try:
                active = self.unpacker.apply(layer, rebased=layer is not lowest)
            except ParentNeeded:
                needs_parent = True
            return _WaitingLayer(layer, stack.pop_all(), active, needs_parent)

    def _finish(self, waiting: _WaitingLayer) -> None:
        with waiting.lock:
            active, needs_parent = waiting.active, waiting.needs_parent
            if active is not None and active.rebased:
                try:
                    self.unpacker.adapt(active)
                except ParentNeeded:
                    needs_parent = True
            if needs_parent:
                active = self.unpacker.apply(waiting.layer)
            if active is not None:
                self.unpacker.commit(active)

    def _undo(self, waiting: _WaitingLayer) -> None:
        with waiting.lock:
            if waiting.active is not None:
                self.unpacker.discard(waiting.active.key)
