"""Write configurations as TOML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from lamina.config._problems import KeyPath
from lamina.config._schema import HostConfig
from lamina.config.describing._docstrings import attribute_docstrings, class_docstring, first_sentence
from lamina.config.describing._tables import default_instance, plain, plain_table, render
from lamina.config.reading._positions import key_lines

_WIDTH: Final = 98
"""The width of a comment line, without the mark."""


def render_default(schemas: Mapping[str, type | None], host: HostConfig) -> str:
    """Return a configuration file that spells out the defaults. `load` reads the same values back.

    Above each key is the first sentence of the field's docstring, above each plugin's table that of the class.
    Settings whose default is None are left out: TOML cannot express them.

    Args:
        schemas: The attrs class of each plugin's table, by URI; None if it takes no configuration. A class with
            required fields gets an empty table.
        host: The top level, without plugins' tables.
    """
    defaults = {uri: default_instance(schema) for uri, schema in schemas.items() if schema is not None}
    tables = {uri: plain_table(default) for uri, default in defaults.items()}
    text = render(plain(attrs.evolve(host, plugins=tables)))
    comments = dict(_field_comments(host, ()))
    for uri, schema in schemas.items():
        if schema is not None:
            comments["plugins", uri] = first_sentence(class_docstring(schema))
            comments.update(_field_comments(defaults[uri], ("plugins", uri)))
    return _commented(text, comments)


def _commented(text: str, comments: Mapping[KeyPath, str]) -> str:
    """Insert comments into TOML, above the lines of their keys."""
    lines = text.split("\n")  # splitlines() would also split at U+2028 and the like, inside strings
    places = key_lines(text)
    above = {places[path]: comment for path, comment in comments.items() if path in places and comment}
    for line in sorted(above, reverse=True):
        lines[line - 1 : line - 1] = [f"# {row}" for row in textwrap.wrap(above[line], _WIDTH)]
    return "\n".join(lines)


def _field_comments(instance: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield the comment of each field, including those of nested instances."""
    if not attrs.has(type(instance)):
        return
    docstrings = attribute_docstrings(type(instance))
    for field in attrs.fields(type(instance)):
        here = (*path, field.name)
        yield here, first_sentence(docstrings.get(field.name, ""))
        yield from _field_comments(getattr(instance, field.name), here)
