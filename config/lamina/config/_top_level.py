"""Decode the top level of a merged configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from lamina.config._problems import KeyPath, Problem, dotted
from lamina.config._schema import VERSION, HostConfig
from lamina.config.reading._decode import decode
from lamina.config.reading._merge import Merged
from lamina.config.versions._migrate import successors
from lamina.errdefs import is_interrupt
from lamina.places import PROGRAM, default_root, default_state

T = TypeVar("T")

_NEEDED: Final = frozenset({"disabled_distributions", "disabled_plugins", "plugins"})
"""The settings needed to decode plugins' tables."""

_PLACES: Final = {"root": default_root, "state": default_state}
"""The functions that return the defaults that depend on the program."""


def decode_top_level(merged: Merged, program: str) -> tuple[HostConfig | None, list[Problem]]:
    """Decode the top level, with defaults for invalid settings where possible; also return the problems."""
    tables = {key: value for key, value in merged.tables.items() if key != "version"}  # checked before
    if program != PROGRAM:  # the class has lamina's defaults
        tables = {name: place(program=program) for name, place in _PLACES.items() if name not in tables} | tables
    moved = successors(tables)
    problems = [_moved(path, uri, merged) for path, uri in moved.items()]
    tables = _without(moved, tables)
    host = decode_table(HostConfig, tables or None, (), merged)
    if not isinstance(host, list):
        return host, problems
    alone = ((key, decode_table(HostConfig, {key: value}, (), merged)) for key, value in tables.items())
    wrong = {key for key, decoded in alone if isinstance(decoded, list)}
    sound = {key: value for key, value in tables.items() if key not in wrong}
    rest = None if wrong & _NEEDED else decode_table(HostConfig, sound, (), merged)
    return None if isinstance(rest, list) else rest, [*problems, *host]


def _moved(path: KeyPath, uri: str, merged: Merged) -> Problem:
    """Return the problem that a table, or a setting of `debug`, now belongs to a plugin."""
    key = f"{path[-1]} in " if len(path) > 1 else ""
    found = f"unknown key: since version {VERSION} it is {key}[{dotted(('plugins', uri))}]"
    return merged.problem(path, found)


def _without(paths: Collection[KeyPath], tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables without those at some paths, which have one key or two."""
    return {
        name: {key: value for key, value in table.items() if (name, key) not in paths}
        if isinstance(table, dict)
        else table
        for name, table in tables.items()
        if (name,) not in paths
    }


def decode_table(
    schema: type[T], table: Mapping[str, Any] | None, path: KeyPath, merged: Merged
) -> T | list[Problem]:
    """Decode the table at a path, or return its problems. A missing table gives the defaults."""
    if table is None:
        try:
            return schema()
        except BaseException as error:  # reported below
            if is_interrupt(error):
                raise
    return decode(schema, table or {}, path, merged.problem)
