"""The progress of slow work on images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import attrs


@attrs.frozen
class Progress:
    """The progress of the work on one blob."""

    digest: str
    what: Literal["import", "unpack"]
    """The work: copying the blob into the content store, or applying it to a snapshot."""
    done: int
    """Bytes of the blob; `total` at the end, or if there was nothing to do."""
    total: int
    """Bytes of the blob in all."""


Report: TypeAlias = Callable[[Progress], None]
"""Called from any thread, several times for each blob: when the work begins, while it goes on, and at its end. It
must neither block nor raise."""
