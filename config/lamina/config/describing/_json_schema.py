"""JSON Schema of configuration files, derived from their attrs classes.

Draft 2020-12, https://json-schema.org/draft/2020-12/json-schema-core. The schema checks each value on its own.
Only `load` runs validators and checks relations between values.
"""

from __future__ import annotations

import collections.abc
import enum
import json
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from lamina.config._schema import VERSION, HostConfig
from lamina.config.describing._docstrings import attribute_docstrings, class_docstring
from lamina.config.describing._tables import default_instance, json_ready, plain
from lamina.duration import DURATION_PATTERN, Duration
from lamina.errdefs import is_interrupt

Schema = dict[str, Any]

_SCALARS: Final[Mapping[Any, Schema]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Path: {"type": "string", "minLength": 1},
    Duration: {"type": "string", "pattern": DURATION_PATTERN, "examples": ["1m30s"]},
}
_ARRAYS: Final = (list, tuple, set, frozenset, collections.abc.Sequence)
_MAPPINGS: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def json_schema(schemas: Mapping[str, type | None], proxies: Mapping[str, type] | None = None) -> Schema:
    """Return the schema of a file of the newest version.

    Args:
        schemas: The attrs class of each plugin's table, by URI; None if it takes no configuration. Tables of other
            plugins are unrestricted.
        proxies: The attrs class of a table in `[proxy_plugins]` by the value of its key `type`. None: such tables
            are unrestricted.
    """
    writer = _Writer()
    root = writer.table(HostConfig)
    root["properties"]["version"] = {"const": VERSION, "description": "Version of the file's format."}
    root["properties"]["plugins"]["properties"] = {
        uri: writer.plugin(schema) for uri, schema in schemas.items() if schema is not None
    }
    kinds = [writer.reference(cls) for cls in dict.fromkeys((proxies or {}).values())]
    if kinds:
        entry = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        root["properties"]["proxy_plugins"]["additionalProperties"] = entry
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of lamina",
        **root,
        "required": ["version"],
        "$defs": writer.definitions,
    }


class _Writer:
    """Writes the schemas of types. Nested classes are defined once, so they may be recursive."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def plugin(self, cls: type) -> Schema:
        """Return the schema of a plugin's table.

        If the class cannot be inspected, anything is allowed; `load` reports it.
        """
        try:
            schema = self.table(cls)
            json.dumps(schema)
        except BaseException as error:  # annotations are a package's own code
            if is_interrupt(error):
                raise
            return {"type": "object"}
        return schema

    def table(self, cls: type) -> Schema:
        """Return the schema of an attrs class."""
        fields = [field for field in attrs.fields(attrs.resolve_types(cls)) if field.init]
        docstrings, instance = attribute_docstrings(cls), default_instance(cls)
        properties = {}
        for field in fields:
            default = getattr(instance, field.name) if isinstance(instance, cls) else _constant(field)
            properties[field.name] = self._field(field, docstrings.get(field.name, ""), json_ready(plain(default)))
        required = [field.name for field in fields if field.default is attrs.NOTHING]
        return {
            "type": "object",
            **({"description": text} if (text := class_docstring(cls)) else {}),
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _field(self, field: attrs.Attribute[Any], description: str, default: Any) -> Schema:
        schema = self._type(field.type)
        if description:
            schema["description"] = description
        if default is not None and "$ref" not in schema:
            schema["default"] = default
        return schema

    def _type(self, kind: Any) -> Schema:
        kind = getattr(kind, "__supertype__", kind)  # the type behind a NewType
        origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
        schema: Schema = {}  # anything is allowed
        if origin in _SCALARS:
            schema = dict(_SCALARS[origin])
        elif origin is typing.Literal:
            schema = {"enum": list(arguments)}
        elif origin in {typing.Union, types.UnionType}:
            choices = [self._type(each) for each in arguments if each is not type(None)]
            schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
        elif origin in _ARRAYS:
            schema = self._array(origin, arguments)
        elif origin in _MAPPINGS:
            schema = {"type": "object", "additionalProperties": self._type(arguments[1]) if arguments else {}}
        elif isinstance(origin, type) and issubclass(origin, enum.Enum):
            schema = {"enum": [json_ready(member.value) for member in origin]}
        elif attrs.has(origin):
            schema = self.reference(origin)
        return schema

    def _array(self, origin: Any, arguments: tuple[Any, ...]) -> Schema:
        if origin is tuple and len(arguments) > 1 and arguments[1] is not ...:
            elements = [self._type(argument) for argument in arguments]
            return {"type": "array", "prefixItems": elements, "minItems": len(elements), "maxItems": len(elements)}
        return {"type": "array", "items": self._type(arguments[0]) if arguments else {}}

    def reference(self, cls: type) -> Schema:
        """Return a reference to the schema of an attrs class, which is written once."""
        name = re.sub(r"[^A-Za-z0-9_.]+", "-", f"{cls.__module__}.{cls.__qualname__}")
        if name not in self.definitions:
            self.definitions[name] = {}  # the class may be recursive
            self.definitions[name] = self.table(cls)
        return {"$ref": f"#/$defs/{name}"}


def _constant(field: attrs.Attribute[Any]) -> Any:
    """Return a field's default if it is a constant, else None."""
    default = field.default
    return None if default is attrs.NOTHING or isinstance(default, attrs.Factory) else default  # type: ignore[arg-type] # a class, typed as a function
