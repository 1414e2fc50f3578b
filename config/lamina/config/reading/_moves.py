"""Where settings were before somebody moved them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamina.config._problems import KeyPath

Moves = dict[KeyPath, KeyPath]
"""Where a table or setting is now, to where it was. What is not named is where its table is."""


def origin_of(path: KeyPath, moves: Mapping[KeyPath, KeyPath]) -> KeyPath:
    """Where what is at a path now was before."""
    for end in range(len(path), 0, -1):
        if path[:end] in moves:
            return moves[path[:end]] + path[end:]
    return path


def compose(later: Moves, earlier: Moves) -> Moves:
    """The moves of one step after another."""
    inside = {
        now + path[len(before) :]: origin
        for now, before in later.items()
        for path, origin in earlier.items()
        if path[: len(before)] == before
    }
    return earlier | inside | {now: origin_of(before, earlier) for now, before in later.items()}


def infer_moves(tables: dict[str, Any], path: KeyPath) -> Callable[[dict[str, Any]], Moves]:
    """Take down a tree of tables; the function returned tells what was moved, given the tree as it is by then.

    A table is known by its identity. A value that is gone from its place is known by being equal to one that
    has come: by its key, or where there is one such value only.

    Args:
        tables: The tree.
        path: Where it stands.
    """
    everything = dict(_walk(tables, path))  # held until the end, so that no identity is used again
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
    """Everything in a tree of tables, each table before what it holds."""
    yield path, tables
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from _walk(value, (*path, key))
        else:
            yield (*path, key), value


def _gone(where: KeyPath, value: object, gone: Mapping[KeyPath, Any]) -> KeyPath | None:
    """Where a value that has come was before, if one like it is gone."""
    alike = [place for place, other in gone.items() if type(other) is type(value) and other == value]
    named = [place for place in alike if place[-1] == where[-1]]
    return named[0] if len(named) == 1 else alike[0] if len(alike) == 1 else None
