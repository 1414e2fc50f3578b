"""Selection of snapshots by filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lamina.snapshots._contract import Info

if TYPE_CHECKING:
    from lamina.filters import Filter


def parse_filters(expressions: Sequence[str]) -> Filter:
    """Parse filters, any of which may match; without filters, everything matches.

    Raises:
        FilterSyntaxError: A filter does not follow the grammar.
    """
    from lamina.filters import parse

    return parse(*expressions)


def fields(info: Info) -> Callable[[tuple[str, ...]], str | None]:
    """Return a function that looks up the fields known to filters: name, parent, kind and labels."""

    def field(path: tuple[str, ...]) -> str | None:
        match path:
            case ("name",):
                return info.name
            case ("parent",):
                return info.parent
            case ("kind",):
                return info.kind.name.lower()
            case ("labels", *rest):
                return info.labels.get(".".join(rest))
        return None

    return field
