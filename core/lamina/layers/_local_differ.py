"""The differ that works in the calling process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamina.layers._contract import Blob, Differ
from lamina.layers._target import opened_target
from lamina.layers._written import WrittenLayer, write_layer
from lamina.layers.applying import Applied, Limits, apply_layer
from lamina.layers.comparing import opened_comparison
from lamina.layers.compression import Compression, open_layer
from lamina.mount import Mount


class LocalDiffer(Differ):
    """Applies layers and compares trees in the calling thread."""

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
        with opened_comparison(lower, upper) as comparison:
            return write_layer(
                comparison, write, compression=compression, source_date_epoch=source_date_epoch, progress=progress
            )
