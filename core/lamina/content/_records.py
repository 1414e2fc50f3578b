"""Values that content stores take and return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from lamina.content._contract import Writer


@attrs.frozen
class Info:
    """The metadata of a blob. `created` and `updated` are nanoseconds since 1970, UTC."""

    digest: str
    size: int = 0
    """Bytes."""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    created: int = 0
    updated: int = 0


@attrs.frozen
class Status:
    """The progress of an ingest. `started` and `updated` are nanoseconds since 1970, UTC."""

    ref: str
    """The name that its writer chose, by which it is resumed."""
    offset: int = 0
    """Bytes written so far."""
    total: int = 0
    """Bytes to be written in all, as far as known; 0 if not."""
    started: int = 0
    updated: int = 0


@attrs.frozen(eq=False, repr=False)
class Commit:
    """One of the commits of `ContentStore.commit_all`, with the arguments of `Writer.commit`."""

    writer: Writer
    digest: str
    size: int = 0
    labels: Mapping[str, str] = attrs.field(factory=dict)
