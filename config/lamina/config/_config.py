"""`Config`: what files, environment and flags say together, and the plugins' part of it decoded on request."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from lamina.config._overrides import overriding
from lamina.config._problems import KeyPath, Problem, config_error, dotted, quoted
from lamina.config._schema import VERSION, HostConfig
from lamina.config.reading._decode import decode
from lamina.config.reading._document import Document
from lamina.config.reading._merge import Merged, Origin, merge
from lamina.config.reading._positions import parse_key
from lamina.config.reading._proxies import decode_proxy
from lamina.config.versions._migrate import Migration, migrate, successor_of_table
from lamina.errdefs import PluginFailed, nearest
from lamina.fs import Exposure
from lamina.places import PROGRAM, default_root, default_state

T = TypeVar("T")

_NEEDED: Final = frozenset({"disabled_distributions", "disabled_plugins", "plugins"})
"""Settings without which plugins' tables cannot be decoded."""

_PLACES: Final = {"root": default_root, "state": default_state}
"""What makes out the default of a setting that is not the same for every program."""


@attrs.frozen(eq=False, repr=False)
class Sources:
    """What a configuration is made from."""

    file: Path | None
    documents: tuple[Document, ...]
    """The files as they were read, the main one first."""
    unread: tuple[Problem, ...] = ()
    """Files that could not be read."""
    overrides: tuple[Document, ...] = ()
    """What goes over the files, in the newest version."""
    program: str = PROGRAM
    migrations: Mapping[str, Migration] = attrs.field(factory=dict)
    """The steps of plugins from one version to the next, by URI."""
    defer: bool = False


@attrs.frozen(eq=False, repr=False)
class Config:
    """A configuration whose top level is in order, or known not to be. `load` and `from_document` make one."""

    host: HostConfig
    """The top level. Where problems are deferred, what is wrong has its default."""
    warnings: tuple[str, ...]
    """What was left out in reading, a sentence each."""
    failed_migrations: Mapping[str, PluginFailed]
    """Why plugins could not bring their configuration up to date, by URI. See `with_migrations`."""
    _sources: Sources
    _merged: Merged
    _problems: tuple[Problem, ...]
    """What is wrong with the top level."""

    @property
    def program(self) -> str:
        """Whose configuration it is: `lamina`, or the daemon of somebody else."""
        return self._sources.program

    @property
    def file(self) -> Path | None:
        """The main file, or None where there is none."""
        return self._sources.file

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were read, in that order; `<defaults>` or `<document>` stands for what is no file."""
        return tuple(document.name for document in self._sources.documents)

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        """How other users could change the files. A host does not start from such a one."""
        found = (document.exposure for document in self._sources.documents)
        return tuple(exposure for exposure in found if exposure)

    @property
    def older_files(self) -> tuple[tuple[str, int], ...]:
        """The files that are not of the newest version, and the version of each."""
        versions = ((each.name, each.tables.get("version")) for each in self._sources.documents)
        return tuple((name, version) for name, version in versions if type(version) is int and version < VERSION)

    @property
    def plugins(self) -> Mapping[str, Mapping[str, Any]]:
        """The plugins' tables by URI, merged and not decoded."""
        return self.host.plugins

    def decode_plugins(
        self,
        schemas: Mapping[str, type | None],
        unloadable: Collection[str] = (),
        proxies: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, object], list[str]]:
        """Decode the tables of plugins.

        Args:
            schemas: For each plugin that is installed, by URI, the attrs class of its table; None where it
                takes no configuration. Those in `disabled_plugins`, and those whose migration failed, are passed
                over.
            unloadable: URIs of plugins that are installed and cannot be loaded. Nothing is said of their tables.
            proxies: The URI of each proxy plugin, by the name of its table.

        Returns:
            By URI an instance of each class, of defaults alone where there is no table. And warnings: one
            for each table that belongs to no installed plugin, or to one that takes no configuration.

        Raises:
            ConfigError: With all problems of all tables, of proxy plugins, and of the top level where they were
                deferred.
        """
        values: dict[str, object] = {}
        installed, proxies = {*schemas, *unloadable}, proxies or {}
        problems = [*self._problems, *self._not_uris(installed), *self._taken_names(installed, proxies)]
        ignored = {*self.host.disabled_plugins, *self.failed_migrations}
        for uri, schema in schemas.items():
            if schema is None or uri in ignored:
                continue
            decoded = _decode(schema, self.plugins.get(uri), ("plugins", uri), self._merged)
            if isinstance(decoded, list):
                # A table that is absent has no line; nor has what is missing in it.
                problems += decoded if uri in self.plugins else [attrs.evolve(p, line=None) for p in decoded]
            else:
                values[uri] = decoded
        if problems:
            raise config_error(problems)
        warnings = self._unused_tables({**schemas, **dict.fromkeys(proxies.values())}, {*ignored, *unloadable})
        return values, [str(warning) for warning in warnings]

    def _not_uris(self, installed: Collection[str]) -> Iterator[Problem]:
        """Plugins that are named by something else than their URIs."""
        for key in ("disabled_plugins", "required_plugins"):
            for index, name in enumerate(getattr(self.host, key)):
                if "." not in name:
                    found, like = f"{quoted(name)} is not a plugin URI", _meant(name, installed)
                    if like is None:
                        found += f': expected one like "io.containerd.x.v1.{name}"'
                    yield self._merged.problem((key, index), found, nearest=like)

    def _taken_names(self, installed: Collection[str], proxies: Mapping[str, str]) -> Iterator[Problem]:
        """Return a problem for each proxy plugin with the URI of an installed plugin."""
        for name, uri in proxies.items():
            if uri in installed:
                found = f"{uri} is an installed plugin: choose another name"
                yield self._merged.problem(("proxy_plugins", name), found)

    def _unused_tables(self, schemas: Mapping[str, type | None], ignored: Collection[str]) -> list[Problem]:
        unused = []
        for uri in self.plugins:
            if uri in ignored or schemas.get(uri) is not None:
                continue
            path = ("plugins", uri)
            if uri in schemas:
                problem = self._merged.problem(path, "not used: this plugin takes no configuration")
            else:
                like = _meant(uri, schemas)
                problem = self._merged.problem(path, "not used: no such plugin is installed", nearest=like)
                if problem.key != dotted(path):  # the file does not name the plugin
                    found = f"not used in part: {uri} has it now, and is not installed"
                    problem = attrs.evolve(problem, found=found, nearest=None)
            unused.append(problem)
        return unused

    def origin(self, key: str) -> Origin | None:
        """Where a setting or table was last set; None where it was not, so that the default holds.

        Args:
            key: A dotted key of format version 4 as in TOML: `plugins."io.lamina.x.v1.y".root_path`.

        Raises:
            InvalidArgument: It is no dotted key.
        """
        return self.origin_of(parse_key(key))

    def origin_of(self, path: KeyPath) -> Origin | None:
        """As `origin`, of a path: the key of each table on the way, and the index of an array's element."""
        return self._merged.origin(path)

    def with_migrations(self, migrations: Mapping[str, Migration]) -> Config:
        """This configuration with files of older versions translated by the plugins, too.

        A migration that raises changes nothing: `failed_migrations` says why, and `decode_plugins` passes its
        plugin over.

        Args:
            migrations: `Registration.migrate` of each plugin that has one, by URI.

        Raises:
            ConfigError: What is there now is wrong.
        """
        if not migrations:
            return self
        return assemble(attrs.evolve(self._sources, migrations={**self._sources.migrations, **migrations}))

    def with_proxies(self, schemas: Mapping[str, type]) -> Config:
        """Return this configuration with the tables of `[proxy_plugins]` decoded, in `host.proxy_plugins`.

        Tables with problems are left out; `decode_plugins` raises the problems, with all others.

        Args:
            schemas: The attrs class of a table by the value of its key `type`.
        """
        if not self.host.proxy_plugins:
            return self
        decoded, problems = {}, list(self._problems)
        for name, table in self.host.proxy_plugins.items():
            proxy = decode_proxy(schemas, table, ("proxy_plugins", name), self._merged.problem)
            if isinstance(proxy, list):
                problems += proxy
            else:
                decoded[name] = proxy
        host = attrs.evolve(self.host, proxy_plugins=decoded)
        return attrs.evolve(self, host=host, problems=tuple(problems))

    def with_overrides(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        root: str | os.PathLike[str] | None = None,
        state: str | os.PathLike[str] | None = None,
        address: str | None = None,
        log_level: str | None = None,
    ) -> Config:
        """This configuration with what the environment says put over it, and over that what flags say.

        Args:
            environ: Environment variables: `LAMINA_ROOT`, `LAMINA_STATE`, `LAMINA_ADDRESS` and `LAMINA_LOG_LEVEL`
                are like the flags of those names; an empty one is none. None: there are none. Those of another
                `program` begin with its name instead.
            root: `--root`; a relative path is taken from the working directory. None leaves the setting alone.
            state: `--state`, likewise.
            address: `--address`, the listener's unix socket, likewise.
            log_level: `--log-level`.

        Raises:
            ConfigError: The value of a variable or flag is wrong, or does not go with the rest.
        """
        flags = {"root": root, "state": state, "address": address, "log_level": log_level}
        overrides = overriding(flags, environ or {}, self.program)
        if not overrides:
            return self
        return assemble(attrs.evolve(self._sources, overrides=(*self._sources.overrides, *overrides)))


def _meant(name: str, uris: Collection[str]) -> str | None:
    """The plugin whose id or URI is a name, or most like it, if any is much like it."""
    ids = {uri.rpartition(".")[2]: uri for uri in uris}
    return ids.get(name) or nearest(name, uris) or ids.get(nearest(name, ids) or "")


def assemble(sources: Sources) -> Config:
    """Put a configuration together.

    Raises:
        ConfigError: With all problems, as `load` tells.
    """
    migrated = [migrate(document, sources.migrations) for document in sources.documents]
    merged = merge([*(each.document for each in migrated), *sources.overrides])
    host, wrong = _decode_host(merged, sources.program)
    problems = [*sources.unread, *(problem for each in migrated for problem in each.problems), *wrong]
    complete = not sources.unread and all(each.whole for each in migrated)
    if host is None or (problems and not (sources.defer and complete)):
        if merged.tables.get("plugins"):
            problems.append(merged.problem(("plugins",), "not looked at until the rest is in order"))
        raise config_error(problems)
    warnings = tuple(warning for each in migrated for warning in each.warnings)
    failures = {uri: error for each in migrated for uri, error in each.failures.items()}
    return Config(host, warnings, failures, sources, merged, tuple(problems))


def _decode_host(merged: Merged, program: str) -> tuple[HostConfig | None, list[Problem]]:
    """The top level with defaults in place of what is wrong, if that can do without; and what is wrong."""
    tables = {key: value for key, value in merged.tables.items() if key != "version"}  # was looked at before
    if program != PROGRAM:  # the class has lamina's places
        tables = {name: place(program=program) for name, place in _PLACES.items() if name not in tables} | tables
    problems = list(_moved_tables(tables, merged))
    tables = {key: value for key, value in tables.items() if successor_of_table(key) is None}
    host = _decode(HostConfig, tables or None, (), merged)
    if not isinstance(host, list):
        return host, problems
    alone = ((key, _decode(HostConfig, {key: value}, (), merged)) for key, value in tables.items())
    wrong = {key for key, decoded in alone if isinstance(decoded, list)}
    sound = {key: value for key, value in tables.items() if key not in wrong}
    rest = None if wrong & _NEEDED else _decode(HostConfig, sound, (), merged)
    return None if isinstance(rest, list) else rest, [*problems, *host]


def _moved_tables(tables: Iterable[str], merged: Merged) -> Iterator[Problem]:
    """The tables at the top that are those of plugins by now."""
    for name in tables:
        if uri := successor_of_table(name):
            found = f"unknown key: in version {VERSION} it is [{dotted(('plugins', uri))}]"
            yield merged.problem((name,), found)


def _decode(schema: type[T], table: Mapping[str, Any] | None, path: KeyPath, merged: Merged) -> T | list[Problem]:
    """An instance of a class from the table at a path, of defaults where it is None; or what is wrong."""
    if table is None:
        with contextlib.suppress(Exception):  # told below
            return schema()
    return decode(schema, table or {}, path, merged.problem)
