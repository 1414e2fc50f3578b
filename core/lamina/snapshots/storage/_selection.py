"""Choosing snapshots by filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lamina.snapshots._contract import Info

if TYPE_CHECKING:
    from lamina.filters import Filter


def parse_filters(expressions: Sequence[str]) -> Filter:
    """Parse filters, of which a snapshot must match one, or none where there are none.

    Raises:
        FilterSyntaxError: One does not follow the grammar.
    """
    from lamina.filters import parse

    return parse(*expressions)


def fields(info: Info) -> Callable[[tuple[str, ...]], str | None]:
    """The fields by which filters choose snapshots: name, parent, kind and labels."""

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
