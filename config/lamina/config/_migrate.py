"""Older format versions, translated to the newest one file by file, before files are merged."""

from __future__ import annotations

from typing import Any, Final

import attrs

from lamina.config._document import Document
from lamina.config._problems import Problem, described, dotted, nearest
from lamina.config._schema import VERSION

GRPC_SERVER: Final = "io.containerd.server.v1.grpc"
"""URI of the plugin that listens on the unix socket."""

_LISTENER: Final = ("plugins", GRPC_SERVER)
_LISTENER_KEYS: Final = ("address", "uid", "gid", "max_recv_message_size", "max_send_message_size")


@attrs.frozen
class Migrated:
    """A document of the newest version, and what was to be said about the translation."""

    document: Document
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    whole: bool = True
    """Whether the document has all settings: of a version that is not read they are left out."""


def migrate(document: Document) -> Migrated:
    """Translate a document to version 4. Version 3 differs in where the listener's settings are."""
    version = document.tables.get("version")
    if type(version) is int and version == VERSION:
        return Migrated(document)
    current = attrs.evolve(document, tables={**document.tables, "version": VERSION})
    if type(version) is int and version == 3:
        return _from_version_3(current)
    if version is None:
        found = f'nothing: add "version = {VERSION}" before the first table'
    elif type(version) is not int:
        found = described(version)
    else:
        why = "versions 1 and 2 are not read" if version < 3 else "the file is for a newer lamina"
        found = f"{version}: {why}"
        current = attrs.evolve(current, tables={"version": VERSION})
    problem = document.problem(("version",), found, expected=f"3 or {VERSION}")
    return Migrated(current, (problem,), whole=current.tables.keys() >= document.tables.keys())


def _from_version_3(document: Document) -> Migrated:
    """Move `[grpc]` to the listener's table, unless that is there already."""
    tables = dict(document.tables)
    grpc, plugins = tables.pop("grpc", {}), tables.get("plugins", {})
    document = attrs.evolve(document, tables=tables)
    if not isinstance(grpc, dict):
        return Migrated(document, (document.problem(("grpc",), described(grpc), expected="a table"),))
    unknown = tuple(
        document.problem(("grpc", key), "unknown key", nearest=nearest(key, _LISTENER_KEYS))
        for key in grpc
        if key not in _LISTENER_KEYS
    )
    settings = {key: value for key, value in grpc.items() if _is_set(key, value, grpc)}
    if not settings or not isinstance(plugins, dict):
        return Migrated(document, unknown)
    if GRPC_SERVER in plugins:
        left_out = document.problem(("grpc",), f"left out: the file also has {dotted(_LISTENER)}")
        return Migrated(document, unknown, (str(left_out),))
    tables["plugins"] = plugins | {GRPC_SERVER: settings}
    return Migrated(attrs.evolve(document, tables=tables, moved={_LISTENER: ("grpc",)}), unknown)


def _is_set(key: str, value: object, grpc: dict[str, Any]) -> bool:
    """Whether version 3 counts a key as set: not where it is empty or 0, but an address comes with its owner."""
    if key in {"uid", "gid"} and grpc.get("address"):
        return True
    return key in _LISTENER_KEYS and not (value == "" or (type(value) is int and value == 0))
