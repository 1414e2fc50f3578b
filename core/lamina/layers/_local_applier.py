"""The applier that works in the calling process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamina.layers._applier import Applier, Blob
from lamina.layers._target import opened_target
from lamina.layers.applying import Applied, Limits, apply_layer
from lamina.layers.compression import open_layer
from lamina.mount import Mount


class LocalApplier(Applier):
    """Applies layers in the calling thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Limit what one layer may write.

        Args:
            limits: The limits; those of `Limits()` by default.
        """
        self._limits = limits or Limits()

    def apply(
        self,
        blob: Blob,
        mounts: Sequence[Mount],
        *,
        rebased: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> Applied:
        with (
            opened_target(mounts, rebased=rebased) as target,
            open_layer(blob.fd, offset=blob.offset, size=blob.size) as stream,
        ):
            return apply_layer(
                stream,
                target.root,
                whiteouts=target.whiteouts,
                parent_fd=target.parent,
                limits=self._limits,
                progress=progress,
            )
