"""Comparisons of trees for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from lamina.layers import TarWriter
from lamina.layers.comparing import opened_comparison
from lamina.mount import Mount
from tests.support import tar


def shown(path: Path) -> list[Mount]:
    """Mounts that show a directory as it is."""
    return [Mount("bind", str(path), ("rbind", "ro"))]


def changes(lower: Sequence[Mount], upper: Sequence[Mount]) -> list[tuple[str, str]]:
    """The kinds and paths of what differs."""
    with opened_comparison(lower, upper) as comparison:
        return [(str(change.kind), change.path.decode(errors="surrogateescape")) for change in comparison.changes]


def layer(lower: Sequence[Mount], upper: Sequence[Mount], *, source_date_epoch: int | None = None) -> bytes:
    """The layer, as a tar archive."""
    buffer = io.BytesIO()
    writer = TarWriter(buffer.write)
    with opened_comparison(lower, upper) as comparison:
        comparison.write(writer, source_date_epoch=source_date_epoch)
    writer.close()
    return buffer.getvalue()


def entries(
    lower: Sequence[Mount], upper: Sequence[Mount], *, source_date_epoch: int | None = None
) -> tar.Archived:
    """The entries of the layer."""
    return tar.read(layer(lower, upper, source_date_epoch=source_date_epoch))
