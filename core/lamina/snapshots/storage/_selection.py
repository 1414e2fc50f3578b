"""Selection of snapshots by filters."""

from __future__ import annotations

from collections.abc import Callable

from lamina.snapshots._contract import Info


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
