"""The progress of slow work on images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import attrs

What: TypeAlias = Literal["import", "unpack", "commit", "export", "pull", "push"]
"""Kinds of work on a blob."""


@attrs.frozen
class Progress:
    """The progress of the work on one blob."""

    digest: str
    """The digest of the blob; the key of the snapshot while its layer is written, which has no digest before."""
    what: What
    """The work: copying the blob into the content store or out of it, from a registry or to it, applying it to a
    snapshot, or writing the layer of a snapshot."""
    done: int
    """Bytes of the blob, or of the files in it; `total` at the end, or if there was nothing to do."""
    total: int
    """The total of those bytes; 0 if it is not known before the end."""


Report: TypeAlias = Callable[[Progress], None]
"""Called from any thread, several times for each blob: at the beginning, from time to time, and at the end. It
must neither block nor raise."""
