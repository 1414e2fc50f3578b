"""Selection of blobs and ingests by filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.content import Info, Status
    from lamina.filters import Fields


def info_fields(info: Info) -> Fields:
    """Return a function that looks up the fields of blobs known to filters: digest and labels."""

    def field(path: Sequence[str]) -> str | None:
        match path:
            case ("digest",):
                return info.digest
            case ("labels", *rest):
                return info.labels.get(".".join(rest))
        return None

    return field


def status_fields(status: Status) -> Fields:
    """Return a function that looks up the only field of ingests known to filters: ref."""
    return lambda path: status.ref if tuple(path) == ("ref",) else None
