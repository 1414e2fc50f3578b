"""The tables of `[proxy_plugins]`, whose class depends on their type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.config._problems import KeyPath, described, quoted
from lamina.config.reading._decode import Report, decode


def decode_proxy(schemas: Mapping[str, type], table: object, path: KeyPath, report: Report) -> Any:
    """Decode a table into the class for its type, or return its problems.

    Args:
        schemas: The attrs class of a table by the value of its key `type`.
        table: The table.
        path: The path of the table.
        report: Makes a problem.
    """
    if not isinstance(table, dict):
        return [report(path, described(table), "a table")]
    kind = table.get("type")
    if isinstance(kind, str) and kind in schemas:
        return decode(schemas[kind], table, path, report)
    expected = f"one of {', '.join(map(quoted, schemas))}" if schemas else "a type of an installed package"
    return [report((*path, "type"), "nothing" if kind is None else described(kind), expected)]
