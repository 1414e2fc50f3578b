"""Settings that a migration moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamina.config._problems import KeyPath

Moves = dict[KeyPath, KeyPath]
"""The original path of each table or setting that moved, by its new path. Everything else moves with its table."""


def origin_of(path: KeyPath, moves: Mapping[KeyPath, KeyPath]) -> KeyPath:
    """Return the original path of the setting that is now at a path."""
    for end in range(len(path), 0, -1):
        if path[:end] in moves:
            return moves[path[:end]] + path[end:]
    return path


def compose(later: Moves, earlier: Moves) -> Moves:
    """Compose the moves of two consecutive migrations."""
    inside = {
        now + path[len(before) :]: origin
        for now, before in later.items()
        for path, origin in earlier.items()
        if path[: len(before)] == before
    }
    return earlier | inside | {now: origin_of(before, earlier) for now, before in later.items()}


def infer_moves(tables: dict[str, Any], path: KeyPath) -> Callable[[dict[str, Any]], Moves]:
    """Record a tree of tables; the function returned infers what moved, given the changed tree.

    A table is recognised by its identity. A value that disappeared is recognised by an equal one that appeared:
    under the same key, or if only one such value appeared.

    Args:
        tables: The tree.
        path: The path of the tree.
    """
    everything = dict(_walk(tables, path))  # kept until the end, so that no identity is reused
    places = {id(value): where for where, value in everything.items() if isinstance(value, dict)}
    values = {where: value for where, value in everything.items() if not isinstance(value, dict)}

    def moves(now: dict[str, Any]) -> Moves:
        present = dict(_walk(now, path))
        gone = {where: value for where, value in values.items() if where not in present}
        found: Moves = {}
        for where, value in present.items():
            implied = origin_of(where, found)
            before = places.get(id(value)) if isinstance(value, dict) else None
            if before is None:
                stays = implied in everything and isinstance(everything[implied], dict) == isinstance(value, dict)
                before = implied if stays else _gone(where, value, gone)
            if before is not None and before != implied:
                found[where] = before
        return found

    return moves


def _walk(tables: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """Yield everything in a tree of tables, each table before its content."""
    yield path, tables
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from _walk(value, (*path, key))
        else:
            yield (*path, key), value


def _gone(where: KeyPath, value: object, gone: Mapping[KeyPath, Any]) -> KeyPath | None:
    """Return the original path of a value that appeared, if an equal one disappeared."""
    alike = [place for place, other in gone.items() if type(other) is type(value) and other == value]
    named = [place for place in alike if place[-1] == where[-1]]
    return named[0] if len(named) == 1 else alike[0] if len(alike) == 1 else None
