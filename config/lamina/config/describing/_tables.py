"""A configuration as plain tables: what TOML and JSON have."""

from __future__ import annotations

import datetime
import enum
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import attrs

from lamina.config._config import Config
from lamina.config._duration import Duration
from lamina.config._problems import dotted, toml_string


def effective_tables(config: Config, plugins: Mapping[str, object]) -> dict[str, Any]:
    """All that holds, with every default filled in, in the newest version. Nothing is left to import.

    A setting that is None is left out: TOML cannot write it. What was not decoded is as it was written.

    Args:
        config: What was read.
        plugins: What `Config.decode_plugins` made of the plugins' tables.
    """
    undecoded = {uri: table for uri, table in config.plugins.items() if uri not in plugins}
    all_plugins: dict[str, Any] = {**plugins, **undecoded}
    tables: dict[str, Any] = plain(attrs.evolve(config.host, imports=[], plugins=all_plugins))
    return tables


def default_instance(schema: type) -> Any:
    """An instance of a class with its defaults, or an empty table where some field has none."""
    complete = all(field.default is not attrs.NOTHING for field in attrs.fields(schema) if field.init)
    return schema() if complete else {}


def plain(value: Any) -> Any:
    """A value as TOML has it."""
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
    """A plain value as JSON has it: times and numbers that are none as strings."""
    match value:
        case dict():
            return {key: json_ready(item) for key, item in value.items()}
        case list():
            return list(map(json_ready, value))
        case datetime.date() | datetime.time():
            return value.isoformat()
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def inline(value: Any) -> str:
    """A plain value in TOML, on one line."""
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
