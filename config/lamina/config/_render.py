"""The built-in defaults as a configuration file with comments."""

from __future__ import annotations

import ast
import enum
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, Final

import attrs

from lamina.config._duration import Duration
from lamina.config._positions import key_lines
from lamina.config._problems import KeyPath
from lamina.config._schema import HostConfig

_WIDTH: Final = 98
"""Characters of a comment's line, without the mark."""


def render_default(schemas: Mapping[str, type | None], host: HostConfig) -> str:
    """A configuration file that says what holds anyway. `load` reads the same values back.

    Above each key stands the first sentence of the docstring under the field, above each plugin's table that
    of the class. A setting whose default is None has no line: TOML cannot write it.

    Args:
        schemas: For each plugin, by URI, the attrs class of its table; None where it takes no configuration.
            A class with fields that have no default gets an empty table.
        host: The top level, without plugins' tables.
    """
    import tomli_w  # noqa: PLC0415 # for `config default` alone

    defaults = {uri: _default(schema) for uri, schema in schemas.items() if schema is not None}
    text = tomli_w.dumps(_plain(attrs.evolve(host, plugins=defaults)))
    comments = dict(_field_comments(host, ()))
    for uri, default in defaults.items():
        path = ("plugins", uri)
        comments[path] = _first_sentence(schemas[uri].__doc__)
        comments.update(_field_comments(default, path))
    return _commented(text, comments)


def _default(schema: type) -> Any:
    """An instance with defaults, or an empty table where some field has none."""
    complete = all(field.default is not attrs.NOTHING for field in attrs.fields(schema) if field.init)
    return schema() if complete else {}


def _plain(value: Any) -> Any:
    """A value as TOML has it."""
    if attrs.has(type(value)):
        value = {field.name: getattr(value, field.name) for field in attrs.fields(type(value)) if field.init}
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items() if item is not None}
        case set() | frozenset():
            return sorted(map(_plain, value))
        case list() | tuple():
            return list(map(_plain, value))
        case enum.Enum():
            return value.value
        case Duration() | PurePath():
            return str(value)
        case _:
            return value


def _commented(text: str, comments: Mapping[KeyPath, str]) -> str:
    """TOML with a comment above each line on which one of the keys stands."""
    lines = text.split("\n")  # splitlines() would also split at U+2028 and its like, inside strings
    places = key_lines(text)
    above = {places[path]: comment for path, comment in comments.items() if path in places and comment}
    for line in sorted(above, reverse=True):
        lines[line - 1 : line - 1] = [f"# {row}" for row in textwrap.wrap(above[line], _WIDTH)]
    return "\n".join(lines)


def _field_comments(instance: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """The comment of each field, those of nested instances included."""
    if not attrs.has(type(instance)):
        return
    docstrings = _attribute_docstrings(type(instance))
    for field in attrs.fields(type(instance)):
        here = (*path, field.name)
        yield here, _first_sentence(docstrings.get(field.name))
        yield from _field_comments(getattr(instance, field.name), here)


def _attribute_docstrings(cls: type) -> dict[str, str]:
    """The strings below a class's fields, its bases' included. Python does not keep them: the source has them."""
    docstrings: dict[str, str] = {}
    for base in filter(attrs.has, reversed(cls.__mro__)):
        try:
            source = inspect.getsource(base)
        except OSError:
            continue  # no source was installed: then there are no comments
        definition = ast.parse(textwrap.dedent(source)).body[0]
        for field, below in itertools.pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                    docstrings[name] = docstring
    return docstrings


def _first_sentence(docstring: str | None) -> str:
    sentence, end, _ = (" ".join((docstring or "").split()) + " ").partition(". ")
    return f"{sentence}." if end else sentence.strip()
