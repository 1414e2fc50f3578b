"""Migrate older format versions to the newest, file by file, before files are merged.

A file is migrated version by version, as in containerd: first the changes of the format itself, then those of each
plugin in its own tables (`Registration.migrate`). Moves are recorded, so that a problem can be reported in terms
of the file.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import attrs

from lamina.config._problems import KeyPath, Problem, described, dotted
from lamina.config._schema import VERSION
from lamina.config.reading._document import Document
from lamina.config.reading._moves import Moves, compose, infer_moves
from lamina.errdefs import PluginFailed, describe, is_interrupt, nearest

OLDEST: Final = 2
"""The oldest supported version. Version 1, of containerd 1.0, has short names of plugins instead of URIs."""

GRPC_SERVER: Final = "io.containerd.server.v1.grpc"
"""URI of the plugin that listens on the unix socket."""

Migration = Callable[[int, dict[str, dict[str, Any]]], object]
"""A plugin's migration: given a file's version and its `[plugins]` table, it migrates its own tables to the next
version, in place. The result is ignored. It is called once for each version below the newest, and does nothing if
it finds nothing old."""

_READ: Final = ", ".join(map(str, range(OLDEST, VERSION))) + f" or {VERSION}"


class _Relocation(NamedTuple):
    """A plugin whose settings had a top-level table up to version 3."""

    table: str
    uri: str
    keys: Mapping[str, str]
    """The old settings, and their names in the plugin's table."""
    with_address: bool = False
    """True to set nothing if there is no address."""


def _same(*keys: str) -> dict[str, str]:
    return {key: key for key in keys}


_SOCKET: Final = _same("address", "uid", "gid")
_SIZES: Final = _same("max_recv_message_size", "max_send_message_size")
_TLS: Final = {f"tcp_tls_{key}": f"tls_{key}" for key in ("ca", "cert", "key", "common_name")}

_RELOCATIONS: Final = (
    _Relocation("grpc", GRPC_SERVER, _SOCKET | _SIZES),
    _Relocation(
        "grpc", "io.containerd.server.v1.grpc-tcp", {"tcp_address": "address"} | _TLS | _SIZES, with_address=True
    ),
    _Relocation("ttrpc", "io.containerd.server.v1.ttrpc", _SOCKET),
    _Relocation("metrics", "io.containerd.server.v1.metrics", _same("address")),
    _Relocation("metrics", "io.containerd.metrics.v1.grpc-prometheus", _same("grpc_histogram")),
    _Relocation("debug", "io.containerd.server.v1.debug", _SOCKET, with_address=True),
)


class Migrated(NamedTuple):
    """A document of the newest version, and the messages about its migration."""

    document: Document
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    whole: bool = True
    """False if settings of an unsupported version were left out."""
    failures: Mapping[str, PluginFailed] = MappingProxyType({})
    """Plugins whose migrations raised, by URI. They changed nothing."""


def migrate(document: Document, migrations: Mapping[str, Migration]) -> Migrated:
    """Migrate a document to the newest version.

    Args:
        document: The document. It is not changed.
        migrations: The migrations of plugins, by URI.
    """
    version = document.tables.get("version")
    if type(version) is int and version == VERSION:
        return Migrated(document)
    if type(version) is not int or not OLDEST <= version < VERSION:
        return _unread(document, version)
    translation = _Translation(document)
    for step in range(version, VERSION):
        if step == 3:
            translation.to_version_4()
        translation.of_plugins(step, migrations)
    return translation.result()


def successor(table: str, key: str) -> tuple[str, ...] | None:
    """Return the current path of a setting of a top-level table of version 3, or None."""
    relocations = (
        relocation for relocation in _RELOCATIONS if relocation.table == table and key in relocation.keys
    )
    return next((("plugins", relocation.uri, relocation.keys[key]) for relocation in relocations), None)


def successors(tables: Mapping[str, Any]) -> dict[KeyPath, str]:
    """Return the plugins that took over top-level tables of version 3, by the paths of these tables.

    `debug` remains, so its settings that moved are returned one by one.

    Args:
        tables: The top level of a configuration of the newest version.
    """
    found: dict[KeyPath, str] = {}
    for relocation in _RELOCATIONS:
        table = tables.get(relocation.table)
        if relocation.table != "debug" and table is not None:
            found.setdefault((relocation.table,), relocation.uri)
        elif isinstance(table, Mapping):
            found |= {(relocation.table, key): relocation.uri for key in relocation.keys if key in table}
    return found


def _unread(document: Document, version: object) -> Migrated:
    """Return the result for a version that is missing or unsupported."""
    kept = document.tables
    if version is None:
        found = f'nothing: add "version = {VERSION}" before the first table'
    elif type(version) is not int:
        found = described(version)
    else:
        old = f"its short names of plugins are not supported: write their URIs, and version = {OLDEST}"
        found = f"{version}: {old if version < OLDEST else 'the file is for a newer lamina'}"
        kept = {}
    current = attrs.evolve(document, tables={**kept, "version": VERSION})
    problem = document.problem(("version",), found, expected=_READ)
    return Migrated(current, (problem,), whole=current.tables.keys() >= document.tables.keys())


class _Translation:
    """A document during its migration."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._tables = copy.deepcopy(dict(document.tables))
        self._moved: Moves = {}
        self._problems: list[Problem] = []
        self._warnings: list[str] = []
        self._failures: dict[str, PluginFailed] = {}

    def result(self) -> Migrated:
        document = attrs.evolve(self._document, tables=self._tables | {"version": VERSION}, moved=self._moved)
        return Migrated(document, tuple(self._problems), tuple(self._warnings), failures=self._failures)

    def of_plugins(self, version: int, migrations: Mapping[str, Migration]) -> None:
        """Run the migrations of all plugins to the next version."""
        if not isinstance(self._tables.get("plugins"), dict):
            return  # decoding the top level reports it if it is not a table
        for uri, migration in migrations.items():
            try:
                self._tables["plugins"], moves = _run(migration, version, self._tables["plugins"])
            except BaseException as error:
                if is_interrupt(error):
                    raise
                failed = PluginFailed(f"migrate its configuration from version {version}: {describe(error)}")
                failed.__cause__ = error
                self._failures[uri] = failed.with_traceback(error.__traceback__)
            else:
                self._moved = compose(moves, self._moved)

    def to_version_4(self) -> None:
        """Move the settings of servers into tables of plugins."""
        for name, relocations in itertools.groupby(_RELOCATIONS, lambda relocation: relocation.table):
            old = self._tables.pop(name, {})
            if isinstance(old, dict):
                self._relocate(name, old, list(relocations))
            else:
                self._problems.append(self._document.problem((name,), described(old), expected="a table"))

    def _relocate(self, name: str, old: Mapping[str, Any], relocations: Sequence[_Relocation]) -> None:
        """Move a table's settings to the plugins that took them over.

        Leftovers are unknown keys, except in `[debug]`.
        """
        known = [key for relocation in relocations for key in relocation.keys]
        rest = {key: value for key, value in old.items() if key not in known}
        for relocation in relocations:
            if settings := _settings(relocation, old):
                self._fill(relocation, settings, old)
        if name != "debug":
            unknown = (((name, key), "unknown key", nearest(key, known)) for key in rest)
            self._problems += [self._document.problem(path, found, nearest=like) for path, found, like in unknown]
        elif set_here := {key: value for key, value in rest.items() if value != ""}:
            self._tables[name] = set_here

    def _fill(self, relocation: _Relocation, settings: Mapping[str, str], old: Mapping[str, Any]) -> None:
        """Move settings to a plugin, unless it has a table."""
        plugins = self._tables.setdefault("plugins", {})
        if not isinstance(plugins, dict):
            return
        if relocation.uri in plugins:
            found = f"ignored: the file also has {dotted(('plugins', relocation.uri))}"
            self._warnings.append(str(self._document.problem((relocation.table,), found)))
            return
        plugins[relocation.uri] = {new: old[key] for key, new in settings.items()}
        self._moved["plugins", relocation.uri] = (relocation.table,)
        self._moved |= {
            ("plugins", relocation.uri, new): (relocation.table, key)
            for key, new in settings.items()
            if key != new
        }


def _settings(relocation: _Relocation, old: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that version 3 counts as set, under their new names.

    Empty, 0 and false settings are left out, but an address keeps its owner.
    """
    address = next((old.get(key) for key, new in relocation.keys.items() if new == "address"), None)
    if relocation.with_address and not address:
        return {}

    def is_set(key: str, value: object) -> bool:
        empty = value in {"", False} if isinstance(value, str | bool) else type(value) is int and value == 0
        return not empty or (key in {"uid", "gid"} and bool(address))

    return {key: new for key, new in relocation.keys.items() if key in old and is_set(key, old[key])}


def _run(migration: Migration, version: int, plugins: dict[str, Any]) -> tuple[dict[str, Any], Moves]:
    """Run a migration on a copy of `[plugins]`, and return the result and the moves.

    Raises:
        Exception: The plugin raised it, or left something that is not a table.
    """
    tables: dict[Any, Any] = copy.deepcopy(plugins)
    moves_until = infer_moves(tables, ("plugins",))
    migration(version, tables)
    for uri, table in tables.items():
        if not isinstance(uri, str) or not (isinstance(table, dict) or table == plugins.get(uri)):
            raise TypeError(f"left {described(table)} at {dotted(('plugins', uri))}: expected a table")
    return tables, moves_until(tables)
