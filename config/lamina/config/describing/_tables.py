"""Configurations as plain tables, in the types of TOML and JSON."""

from __future__ import annotations

import datetime
import enum
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import attrs

from lamina.config._config import Config
from lamina.config._problems import dotted, toml_string
from lamina.duration import Duration
from lamina.errdefs import is_interrupt


def effective_tables(config: Config, plugins: Mapping[str, object]) -> dict[str, Any]:
    """Return the effective configuration with all defaults filled in, in the newest version and without imports.

    Settings that are None are left out: TOML cannot express them. Undecoded tables are unchanged.

    Args:
        config: The configuration.
        plugins: The result of `Config.decode_plugins`.
    """
    undecoded = {uri: table for uri, table in config.plugins.items() if uri not in plugins}
    all_plugins: dict[str, Any] = {**{uri: plain_table(one) for uri, one in plugins.items()}, **undecoded}
    tables: dict[str, Any] = plain(attrs.evolve(config.host, imports=[], plugins=all_plugins))
    return tables


def default_instance(schema: type) -> Any:
    """Return an instance of a class with its defaults, or an empty table if there is none."""
    complete = all(field.default is not attrs.NOTHING for field in attrs.fields(schema) if field.init)
    try:
        return schema() if complete else {}
    except BaseException as error:  # `Config.failed_defaults` reports it
        if is_interrupt(error):
            raise
        return {}


def plain_table(instance: object) -> dict[str, Any]:
    """Convert the configuration of a plugin to TOML's types; {} if TOML cannot express one of its values."""
    try:
        table: dict[str, Any] = plain(instance)
        render(table).encode()
    except BaseException as error:
        if is_interrupt(error):
            raise
        return {}
    return table


def render(tables: Mapping[str, Any]) -> str:
    """Format plain tables as TOML."""
    import tomli_w

    return tomli_w.dumps(tables)


def plain(value: Any) -> Any:
    """Convert a value to TOML's types."""
    if attrs.has(type(value)):
        value = {field.name: getattr(value, field.name) for field in attrs.fields(type(value)) if field.init}
    match value:
        case dict():
            return {key: plain(item) for key, item in value.items() if item is not None}
        case set() | frozenset():
            return sorted(map(plain, value))
        case list() | tuple():
            return list(map(plain, value))
        case enum.Enum():
            return value.value
        case Duration() | PurePath():
            return str(value)
        case _:
            return value


def json_ready(value: Any) -> Any:
    """Convert a plain value to JSON's types: times and non-finite numbers become strings."""
    match value:
        case dict():
            return {key: json_ready(item) for key, item in value.items()}
        case list() | tuple():
            return list(map(json_ready, value))
        case datetime.date() | datetime.time():
            return value.isoformat()
        case float() if not math.isfinite(value):
            return str(value)
        case None | str() | int() | float():
            return value
        case _:
            return str(value)


def inline(value: Any) -> str:
    """Format a plain value as TOML, on one line."""
    match value:
        case dict():
            items = (f"{dotted((key,), shorten=False)} = {inline(item)}" for key, item in value.items())
            return f"{{ {', '.join(items)} }}" if value else "{}"
        case list():
            return f"[{', '.join(map(inline, value))}]"
        case str():
            return toml_string(value)
        case bool():
            return "true" if value else "false"
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)
