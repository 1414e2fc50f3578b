"""Rewrite a file of an older version in the newest one, keeping comments and order.

Renamed keys are renamed in place, and removed ones are cut out, with our own index of the text. tomlkit adds new
values and settings that moved to another table.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import attrs

from lamina.config._problems import KeyPath, Problem, config_error, dotted
from lamina.config.reading._document import read
from lamina.config.reading._moves import Moves, origin_of
from lamina.config.reading._positions import WrittenKey, comments, written_keys
from lamina.config.versions._migrate import Migration, migrate
from lamina.errdefs import FailedPrecondition
from lamina.fs.new_file import new_file


@attrs.frozen
class Rewritten:
    """A file in the newest version."""

    text: str
    changed: bool
    warnings: tuple[str, ...]
    """A sentence about each setting that was dropped."""


def rewrite(path: str, migrations: Mapping[str, Migration]) -> Rewritten:
    """Return a file rewritten in the newest version. Neither the file nor its imports are changed.

    Args:
        path: The file.
        migrations: `Registration.migrate` of each plugin that has one, by URI.

    Raises:
        ConfigError: The file is malformed or has problems of an older version.
        PluginFailed: A plugin could not migrate its configuration.
        FailedPrecondition: The comments cannot be kept.
        OSError: The file cannot be read.
    """
    document = read(path)
    if isinstance(document, Problem):
        raise config_error([document])
    migrated = migrate(document, migrations)
    if migrated.problems:
        raise config_error(migrated.problems)
    for failure in migrated.failures.values():
        raise failure
    text = rewritten(document.text, migrated.document.tables, dict(migrated.document.moved))
    if text is None:
        raise FailedPrecondition(
            f"{path}: the layout of its tables cannot be changed without losing comments: give each table a "
            "[header] of its own, or use the output of `lamina config dump`"
        )
    return Rewritten(text, text != document.text, migrated.warnings)


def replace(path: str, text: str) -> None:
    """Replace a file's content atomically. Mode, owner and attributes are kept.

    Args:
        path: The file, or a symbolic link to it.
        text: The new content.

    Raises:
        Error, OSError: The file is unchanged.
    """
    path = os.path.realpath(path)
    with new_file(path) as descriptor:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(text.encode())
        _copy_attributes(path, descriptor)


def _copy_attributes(path: str, descriptor: int) -> None:
    status = os.stat(path)
    os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, status.st_mode & 0o7777)
    for name in os.listxattr(path):
        os.setxattr(descriptor, name, os.getxattr(path, name))


def rewritten(text: str, tables: Mapping[str, Any], moves: Moves) -> str | None:
    """Return a text changed as little as possible to express other tables, or None if that fails.

    Args:
        text: A valid TOML document.
        tables: The tables to express.
        moves: The places of moved settings in the text.
    """
    import tomli
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    for renamed, apart in itertools.product(_renamings(text, tables, moves), (True, False)):
        try:
            document = tomlkit.parse(renamed.text)
            new_tables = list(_reconcile(document, tables, (), renamed.moving, apart))
            result = "\n".join([document.as_string(), *new_tables])
            if _same(tomli.loads(result), tables) and renamed.comments <= Counter(comments(result)):
                return result
        except (TOMLKitError, ValueError):
            continue  # the layout of the tables does not allow this way of adding others
    return None


@attrs.frozen
class _Renamed:
    """A text with some keys renamed in place and others cut out."""

    text: str
    moving: Mapping[KeyPath, str]
    """The comments of keys that move to another table, by the new path."""
    comments: Counter[str]
    """All comments that must be kept."""


def _renamings(text: str, tables: Mapping[str, Any], moves: Moves) -> Iterator[_Renamed]:
    """Yield ways to rename and cut out keys, the one that changes least first."""
    in_place = _renamed(text, tables, moves)
    yield in_place
    yield _renamed(text, tables, moves, cuts_top=True)
    yield _renamed(text, tables, moves, cuts_top=True, moves_comments=False)
    yield attrs.evolve(in_place, text=text, moving={})


def _renamed(
    text: str, tables: Mapping[str, Any], moves: Moves, *, cuts_top: bool = False, moves_comments: bool = True
) -> _Renamed:
    """Rename keys in place and cut out removed ones.

    Args:
        text: The document.
        tables: The tables to express.
        moves: The places of moved settings in the text.
        cuts_top: Cut out keys before the first header, too: in place, they may get in the way of a header.
        moves_comments: Let comments go with the keys that are cut out, and not stay in their places.
    """
    successors = _successors(tables, moves)
    edits, moving, kept = list[tuple[int, int, str]](), dict[KeyPath, str](), Counter(comments(text))
    done = 0
    for key in written_keys(text):
        if key.start < done:
            continue  # it was cut out with the key around it
        path, table, around = (origin_of(each, successors) for each in (key.path, key.table, key.path[:-1]))
        there = _present(tables, path) and origin_of(path, moves) == key.path
        fits = path[: len(table)] == table and (not table or path[:-1] == around)
        names, before = path[len(table) :], key.path[len(key.table) :]
        is_in_the_way = cuts_top and names != before and not (key.table or key.is_header)
        if there and fits and not is_in_the_way:
            if names != before:
                edits.append((key.start, key.end, dotted(_names(names), shorten=False)))
        elif key.movable:
            start, done = _lines(text, key)
            found = comments(text[key.end : done])
            moved = " ".join(found) if there else ""
            edits.append((start, done, "" if moves_comments or not moved else f"{moved}\n"))
            if moved and moves_comments:
                moving[path] = moved
            kept = kept - Counter(found) + Counter([moved] if moved else [])
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return _Renamed(text, moving, kept)


def _successors(tables: Mapping[str, Any], moves: Moves) -> Moves:
    """Return the new path of what moved away from a place altogether, by the old path."""
    successors: Moves = {}
    for now, before in moves.items():
        if _present(tables, now) and not _present(tables, before):
            successors.setdefault(before, now)
    return successors


def _names(path: KeyPath) -> KeyPath:
    """Return a path as in a header: without array indices."""
    return tuple(part for part in path if isinstance(part, str))


def _present(tables: Any, path: KeyPath) -> bool:
    for part in path:
        inside = part in tables if isinstance(tables, dict) else isinstance(part, int) and part < len(tables)
        if not inside:
            return False
        tables = tables[part]
    return True


def _lines(text: str, key: WrittenKey) -> tuple[int, int]:
    """Return the start and end of the lines of a key or header."""
    end = text.find("\n", key.value_end)
    return text.rfind("\n", 0, key.start) + 1, len(text) if end < 0 else end + 1


def _reconcile(
    container: MutableMapping[str, Any],
    table: Mapping[str, Any],
    path: KeyPath,
    moving: Mapping[KeyPath, str],
    apart: bool,
) -> Iterator[str]:
    """Change a tomlkit table so that it expresses another.

    Yields:
        The text of each new table if `apart`: at the end of a file they cannot separate a table from its comment.
    """
    for key in [key for key in container if key not in table]:
        del container[key]
    for key, value in table.items():
        here = (*path, key)
        if key not in container and isinstance(value, dict) and apart:
            yield _table_text(value, here, moving)
        elif key not in container:
            container[key] = _item(value, container, here, moving)
        elif isinstance(value, dict) and isinstance(container[key], MutableMapping):
            yield from _reconcile(container[key], value, here, moving, apart)
        elif not _same(_unwrapped(container[key]), value):
            container[key] = _item(value, container, here, moving)


def _table_text(value: Mapping[str, Any], path: KeyPath, moving: Mapping[KeyPath, str]) -> str:
    import tomlkit

    document: Any = tomlkit.document()
    container = document
    for name in path[:-1]:
        container[name] = tomlkit.table(is_super_table=True)
        container = container[name]
    container[path[-1]] = _item(value, container, path, moving)
    text: str = document.as_string()
    return text


def _unwrapped(item: Any) -> Any:
    return item.unwrap() if hasattr(item, "unwrap") else item


def _item(value: Any, container: Any, path: KeyPath, moving: Mapping[KeyPath, str]) -> Any:
    import tomlkit
    from tomlkit.items import InlineTable

    item: Any
    if not isinstance(value, dict):
        item = tomlkit.item(value)
    elif isinstance(container, InlineTable):
        item = tomlkit.inline_table()
        item.update(value)
    else:
        item = tomlkit.table(
            is_super_table=bool(value) and all(isinstance(inner, dict) for inner in value.values())
        )
        for key, inner in value.items():
            item.append(key, _item(inner, item, (*path, key), moving))
    if comment := moving.get(path):
        item.comment(comment)
    return item


def _same(one: Any, other: Any) -> bool:
    """Return whether two plain values are equal, including their types."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(_same, one, other))
        case float(), float() if math.isnan(one):
            return math.isnan(other)
        case _:
            return type(one) is type(other) and bool(one == other)
