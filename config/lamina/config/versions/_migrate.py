"""Older format versions, translated to the newest one, file by file, before files are merged.

A file goes up version by version, as in containerd: first what the format itself changed, then what each plugin
changed in its own tables (`Registration.migrate`). Where settings have moved to is remembered, so that a problem
is told in the words of the file.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from lamina.config._problems import Problem, described, dotted
from lamina.config._schema import VERSION
from lamina.config.reading._document import Document
from lamina.config.reading._moves import Moves, compose, infer_moves
from lamina.errdefs import PluginFailed, nearest

OLDEST: Final = 2
"""The oldest version that is read. Version 1, of containerd 1.0, has short names of plugins instead of URIs."""

GRPC_SERVER: Final = "io.containerd.server.v1.grpc"
"""URI of the plugin that listens on the unix socket."""

Migration = Callable[[int, dict[str, dict[str, Any]]], object]
"""A plugin's own step: given a file's version and its `[plugins]` table, it brings its tables one version further,
in place. What it returns does not matter. It is called once for each version below the newest, and does nothing
where it finds nothing old."""

_READ: Final = ", ".join(map(str, range(OLDEST, VERSION))) + f" or {VERSION}"


@attrs.frozen(eq=False, repr=False)
class _Heir:
    """A plugin whose settings stood in a table of their own up to version 3."""

    table: str
    uri: str
    keys: Mapping[str, str]
    """The settings that were there, and what the plugin calls them."""
    with_address: bool = False
    """Whether nothing is set where there is no address."""


def _same(*keys: str) -> dict[str, str]:
    return {key: key for key in keys}


_SOCKET: Final = _same("address", "uid", "gid")
_SIZES: Final = _same("max_recv_message_size", "max_send_message_size")
_TLS: Final = {f"tcp_tls_{key}": f"tls_{key}" for key in ("ca", "cert", "key", "common_name")}

_HEIRS: Final = (
    _Heir("grpc", GRPC_SERVER, _SOCKET | _SIZES),
    _Heir(
        "grpc", "io.containerd.server.v1.grpc-tcp", {"tcp_address": "address"} | _TLS | _SIZES, with_address=True
    ),
    _Heir("ttrpc", "io.containerd.server.v1.ttrpc", _SOCKET),
    _Heir("metrics", "io.containerd.server.v1.metrics", _same("address")),
    _Heir("metrics", "io.containerd.metrics.v1.grpc-prometheus", _same("grpc_histogram")),
    _Heir("debug", "io.containerd.server.v1.debug", _SOCKET, with_address=True),
)


@attrs.frozen(eq=False, repr=False)
class Migrated:
    """A document of the newest version, and what was to be said about the translation."""

    document: Document
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    whole: bool = True
    """Whether the document has all settings: of a version that is not read they are left out."""
    failures: Mapping[str, PluginFailed] = attrs.field(factory=dict)
    """Plugins whose steps raised, by URI. They changed nothing."""


def migrate(document: Document, migrations: Mapping[str, Migration]) -> Migrated:
    """Translate a document to the newest version.

    Args:
        document: It is not changed.
        migrations: The steps of plugins, by URI.
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
    """Where the newest version has a setting that stood in a top-level table up to version 3."""
    heirs = (heir for heir in _HEIRS if heir.table == table and key in heir.keys)
    return next((("plugins", heir.uri, heir.keys[key]) for heir in heirs), None)


def successor_of_table(table: str) -> str | None:
    """URI of the plugin that has what a top-level table had up to version 3; None of one that is still there."""
    return next((heir.uri for heir in _HEIRS if heir.table == table != "debug"), None)


def _unread(document: Document, version: object) -> Migrated:
    """The answer to a version that is missing, or none that is read."""
    kept = document.tables
    if version is None:
        found = f'nothing: add "version = {VERSION}" before the first table'
    elif type(version) is not int:
        found = described(version)
    else:
        old = f"its short names of plugins are not read: write their URIs, and version = {OLDEST}"
        found = f"{version}: {old if version < OLDEST else 'the file is for a newer lamina'}"
        kept = {}
    current = attrs.evolve(document, tables={**kept, "version": VERSION})
    problem = document.problem(("version",), found, expected=_READ)
    return Migrated(current, (problem,), whole=current.tables.keys() >= document.tables.keys())


class _Translation:
    """A document on its way up."""

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
        """Let each plugin bring its tables one version further."""
        if not isinstance(self._tables.get("plugins"), dict):
            return  # decoding the top level tells, if it is something else
        for uri, migration in migrations.items():
            try:
                self._tables["plugins"], moves = _run(migration, version, self._tables["plugins"])
            except Exception as error:  # noqa: BLE001 # what a plugin raises is that plugin's failure
                failed = PluginFailed(
                    f"bring its configuration up from version {version}: {type(error).__name__}: {error}"
                )
                failed.__cause__ = error
                self._failures[uri] = failed.with_traceback(error.__traceback__)
            else:
                self._moved = compose(moves, self._moved)

    def to_version_4(self) -> None:
        """Move the settings of servers into tables of plugins."""
        for name, heirs in itertools.groupby(_HEIRS, lambda heir: heir.table):
            old = self._tables.pop(name, {})
            if isinstance(old, dict):
                self._bequeath(name, old, list(heirs))
            else:
                self._problems.append(self._document.problem((name,), described(old), expected="a table"))

    def _bequeath(self, name: str, old: Mapping[str, Any], heirs: Sequence[_Heir]) -> None:
        """Give a table's settings to its heirs. What is left is an unknown key, but in `[debug]`."""
        known = [key for heir in heirs for key in heir.keys]
        rest = {key: value for key, value in old.items() if key not in known}
        for heir in heirs:
            if settings := _settings(heir, old):
                self._inherit(heir, settings, old)
        if name != "debug":
            unknown = (((name, key), "unknown key", nearest(key, known)) for key in rest)
            self._problems += [self._document.problem(path, found, nearest=like) for path, found, like in unknown]
        elif set_here := {key: value for key, value in rest.items() if value != ""}:
            self._tables[name] = set_here

    def _inherit(self, heir: _Heir, settings: Mapping[str, str], old: Mapping[str, Any]) -> None:
        """Give a plugin its settings, unless it has a table."""
        plugins = self._tables.setdefault("plugins", {})
        if not isinstance(plugins, dict):
            return
        if heir.uri in plugins:
            found = f"left out: the file also has {dotted(('plugins', heir.uri))}"
            self._warnings.append(str(self._document.problem((heir.table,), found)))
            return
        plugins[heir.uri] = {new: old[key] for key, new in settings.items()}
        self._moved["plugins", heir.uri] = (heir.table,)
        self._moved |= {
            ("plugins", heir.uri, new): (heir.table, key) for key, new in settings.items() if key != new
        }


def _settings(heir: _Heir, old: Mapping[str, Any]) -> dict[str, str]:
    """The settings that version 3 counts as set, and their new names.

    None that is empty, 0 or false; but an address comes with its owner.
    """
    address = next((old.get(key) for key, new in heir.keys.items() if new == "address"), None)
    if heir.with_address and not address:
        return {}

    def is_set(key: str, value: object) -> bool:
        empty = value in {"", False} if isinstance(value, str | bool) else type(value) is int and value == 0
        return not empty or (key in {"uid", "gid"} and bool(address))

    return {key: new for key, new in heir.keys.items() if key in old and is_set(key, old[key])}


def _run(migration: Migration, version: int, plugins: dict[str, Any]) -> tuple[dict[str, Any], Moves]:
    """What a plugin makes of `[plugins]`, which itself is not changed, and what moved where.

    Raises:
        Exception: What the plugin raises; or it left something that is no table.
    """
    tables: dict[Any, Any] = copy.deepcopy(plugins)
    moves_until = infer_moves(tables, ("plugins",))
    migration(version, tables)
    for uri, table in tables.items():
        if not isinstance(uri, str) or not (isinstance(table, dict) or table == plugins.get(uri)):
            raise TypeError(f"left {described(table)} at {dotted(('plugins', uri))}: expected a table")
    return tables, moves_until(tables)
