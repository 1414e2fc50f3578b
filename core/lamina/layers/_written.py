"""Layers that were written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from lamina.layers.compression import Compression, LayerWriter
from lamina.layers.tar import TarWriter

if TYPE_CHECKING:
    from lamina.layers.comparing import Comparison


class _OutputError(Exception):
    """The layer cannot be written: an OSError that must not be taken for one of the tree."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


@attrs.frozen
class WrittenLayer:
    """A layer that was written: the difference between two trees."""

    diff_id: str
    """The digest of the uncompressed archive, `sha256:…`."""
    digest: str
    """The digest of the bytes written, `sha256:…`."""
    size: int
    """The number of bytes written."""
    uncompressed_size: int
    """Bytes of the uncompressed archive."""
    entries: int
    """Entries of the archive; 0 if the trees are equal."""


def write_layer(
    comparison: Comparison,
    write: Callable[[bytes | memoryview], object],
    *,
    compression: Compression = Compression.GZIP,
    source_date_epoch: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> WrittenLayer:
    """Write the layer that turns the earlier tree of a comparison into the later one.

    Raises:
        Error: As `Differ.compare`.
    """

    def write_piece(data: bytes | memoryview) -> None:
        try:
            write(data)
        except OSError as error:
            raise _OutputError(error) from error

    layer = LayerWriter(write_piece, compression)
    archive = TarWriter(layer.write)
    try:
        entries = comparison.write(archive, source_date_epoch=source_date_epoch, progress=progress)
        archive.close()
        layer.close()
    except _OutputError as failed:
        raise failed.error from None
    return WrittenLayer(layer.diff_id, layer.digest, layer.size, layer.uncompressed_size, entries)
