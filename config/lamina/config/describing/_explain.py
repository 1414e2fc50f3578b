"""Explain a setting: its value, default, origin, type and meaning."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import attrs

from lamina.config._config import Config
from lamina.config._problems import KeyPath, dotted, quoted
from lamina.config.describing._json_schema import Schema
from lamina.config.describing._tables import inline
from lamina.config.reading._merge import Origin
from lamina.config.reading._positions import parse_key
from lamina.config.versions._migrate import successor
from lamina.errdefs import NotFound, nearest


@attrs.frozen
class Explanation:
    """A setting or table."""

    key: str
    """The dotted key in the newest version; "" for the whole configuration."""
    value: Any
    """The effective value in TOML's types, or None."""
    default: Any
    """The default in TOML's types, or None."""
    origin: Origin | None
    """The place where it was last set, or None if it has its default."""
    type: str
    """A description of the allowed values."""
    meaning: str
    """The docstring, or ""."""
    parts: tuple[Explanation, ...] = ()
    """The settings in a table, or the elements of an array if they come from several places."""

    def settings(self) -> Iterator[Explanation]:
        """Yield all settings in a table, at any depth; for a setting, itself."""
        if self.parts and isinstance(self.value, dict):
            for part in self.parts:
                yield from part.settings()
        else:
            yield self


def explain(config: Config, tables: Mapping[str, Any], schema: Schema, key: str = "") -> Explanation:
    """Explain a setting, or a table and everything in it.

    Args:
        config: The configuration, with the migrations of plugins.
        tables: The result of `effective_tables`.
        schema: The result of `json_schema`.
        key: A dotted TOML key, or "" for everything. A plugin's URI needs neither quotes nor the prefix
            `plugins.`, and an id that only one plugin has stands for its URI. A key of an older version stands
            for its successor.

    Raises:
        InvalidArgument: The key is malformed.
        NotFound: There is no such setting; the message suggests the nearest one.
    """
    path = _whole_path(parse_key(key), tables, schema) if key else ()
    node: Schema | None = schema
    value: Any = tables
    default: Any = None
    for end, name in enumerate(path):
        node, value, default = _step(schema, node, value, default, path[: end + 1], name)
    return _Explainer(config, schema).explain(path, node, value, default)


def _whole_path(path: tuple[str, ...], tables: Mapping[str, Any], schema: Schema) -> tuple[str, ...]:
    """Return a path in terms of the newest version, with a plugin's URI as one name, also for its id alone."""
    top: Mapping[str, Any] = schema["properties"]
    uris = {*top["plugins"]["properties"], *tables["plugins"]}
    whole = path if path[0] in top else ("plugins", *path)
    if whole[0] == "plugins":
        for end in range(len(whole), 1, -1):
            if (uri := ".".join(whole[1:end])) in uris:
                return ("plugins", uri, *whole[end:])
    if len(path) == 2 and (now := successor(*path)):
        return now
    named = [uri for uri in uris if path[0] not in top and uri.rpartition(".")[2] == path[0]]
    if len(named) == 1:
        return ("plugins", named[0], *path[1:])
    # A name of three or more parts that begins with no setting can only be a URI.
    meant = whole[0] == "plugins" and len(whole) >= 4
    return ("plugins", ".".join(whole[1:])) if meant else path


def _step(
    schema: Schema, node: Schema | None, value: Any, default: Any, path: tuple[str, ...], name: str
) -> tuple[Schema | None, Any, Any]:
    """Return the schema (None: unknown), value and default of a name in a table."""
    inside = value.get(name) if isinstance(value, dict) else None
    before = default.get(name) if isinstance(default, dict) else None
    node = _resolved(schema, node)
    known = node.get("properties", {}) if node else {}
    if name in known:
        return known[name], inside, known[name].get("default", before)
    if inside is None:
        others = {*known, *(value if isinstance(value, dict) else ())}
        raise NotFound(_not_there(path, others))
    return _schema_of_entry(node), inside, before


def _not_there(path: tuple[str, ...], others: Collection[str]) -> str:
    if not others:
        return f"{dotted(path)}: there is no such setting"
    like = nearest(path[-1], others)
    known = f"did you mean {quoted(like)}?" if like else f"known are {', '.join(sorted(others))}"
    return f"{dotted(path)}: there is no such setting ({known})"


def _schema_of_entry(node: Schema | None) -> Schema | None:
    entry = node.get("additionalProperties") if node else None
    return entry if isinstance(entry, dict) else None


def _resolved(schema: Schema, node: Schema | None) -> Schema | None:
    """Resolve a schema's reference. Its own keywords take precedence."""
    if node is None or "$ref" not in node:
        return node
    definition: Schema = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return {**definition, **node}


class _Explainer:
    def __init__(self, config: Config, schema: Schema) -> None:
        self._config = config
        self._schema = schema

    def explain(self, path: KeyPath, node: Schema | None, value: Any, default: Any) -> Explanation:
        node = _resolved(self._schema, node)
        parts = list(self._parts(path, node, value, default))
        return Explanation(
            key=dotted(path, shorten=False),
            value=value,
            default=default,
            origin=self._config.origin_of(path),
            type=_words(self._schema, node),
            meaning=node.get("description", "") if node else "",
            parts=tuple(parts),
        )

    def _parts(self, path: KeyPath, node: Schema | None, value: Any, default: Any) -> Iterable[Explanation]:
        known = node.get("properties", {}) if node else {}
        if isinstance(value, dict) or known:
            value = value or {}
            for name in dict.fromkeys((*known, *value)):
                inner = known.get(name, _schema_of_entry(node))
                before = default.get(name) if isinstance(default, dict) else None
                before = known.get(name, {}).get("default", before)
                yield self.explain((*path, name), inner, value.get(name), before)
        elif isinstance(value, list) and len({self._config.origin_of((*path, i)) for i in range(len(value))}) > 1:
            for index, element in enumerate(value):
                yield self.explain((*path, index), node.get("items") if node else None, element, None)


def _words(schema: Schema, node: Schema | None, many: bool = False) -> str:
    """Describe the allowed values of a schema."""
    match _resolved(schema, node):
        case {"const": value}:
            words = inline(value)
        case {"enum": [*values]}:
            words = f"one of {', '.join(map(inline, values))}"
        case {"anyOf": [*choices]}:
            words = " or ".join(_words(schema, choice, many) for choice in choices)
        case {"type": "array", "prefixItems": [*elements]}:
            words = f"array of {', '.join(_words(schema, element) for element in elements)}"
        case {"type": "array", "items": items}:
            words = f"array of {_words(schema, items, many=True)}"
        case {"type": "object", "additionalProperties": dict(entry)} if entry:
            words = f"table of {_words(schema, entry, many=True)}"
        case {"type": "boolean"}:
            words = "true or false"
        case {"type": "string", "pattern": _}:
            words = "durations" if many else "duration"
        case {"type": str(kind)}:
            words = {"integer": "whole number", "object": "table"}.get(kind, kind) + ("s" if many else "")
        case _:
            words = "anything"
    return words
