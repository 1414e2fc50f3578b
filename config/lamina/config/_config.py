"""`Config`: files, environment and flags combined. Plugins' tables are decoded on request."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from lamina.config import reading
from lamina.config._overrides import overriding
from lamina.config._problems import KeyPath, Problem, config_error, dotted, quoted
from lamina.config._schema import VERSION, HostConfig
from lamina.config._top_level import decode_table, decode_top_level
from lamina.config.reading._document import Document
from lamina.config.reading._merge import Merged, Origin, merge
from lamina.config.reading._proxies import decode_proxy
from lamina.config.versions._migrate import Migration, migrate
from lamina.errdefs import ConfigError, PluginFailed, nearest
from lamina.places import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.fs import Exposure


class Sources(NamedTuple):
    """The inputs of a configuration."""

    file: str | None
    documents: tuple[Document, ...]
    """The files as read, the main one first."""
    unread: tuple[Problem, ...] = ()
    """Problems of files that could not be read."""
    overrides: tuple[Document, ...] = ()
    """Settings that override the files, in the newest version."""
    program: str = PROGRAM
    migrations: Mapping[str, Migration] = MappingProxyType({})
    """The migrations of plugins from one version to the next, by URI."""
    defer: bool = False


class Config:
    """A configuration whose top level is valid, or whose problems are deferred.

    Made by `load` and `from_document`.
    """

    def __init__(
        self,
        host: HostConfig,
        warnings: tuple[str, ...],
        failed_migrations: Mapping[str, PluginFailed],
        sources: Sources,
        merged: Merged,
        problems: tuple[Problem, ...],
    ) -> None:
        self.host = host
        """The top level. If problems are deferred, invalid settings have their defaults."""
        self.warnings = warnings
        """A sentence about each setting that was ignored."""
        self.failed_migrations = failed_migrations
        """The errors of plugins that could not migrate their tables, by URI. See `with_migrations`."""
        self._sources = sources
        self._merged = merged
        self._problems = problems
        """The problems of the top level."""

    @property
    def program(self) -> str:
        """The program that the configuration is for: `lamina` or another daemon."""
        return self._sources.program

    @property
    def file(self) -> Path | None:
        """The main file, or None if there is none."""
        from pathlib import Path  # noqa: PLC0415 # slow to import, and a start does not need it

        return None if self._sources.file is None else Path(self._sources.file)

    @property
    def files(self) -> tuple[str, ...]:
        """The files read, in order; `<defaults>` or `<document>` stands for a source that is not a file."""
        return tuple(document.name for document in self._sources.documents)

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        """The ways in which other users could change the files. A host refuses to start if there are any."""
        return tuple(each.exposure for each in self._sources.documents if each.exposure)

    @property
    def older_files(self) -> tuple[tuple[str, int], ...]:
        """The files older than the newest version, each with its version."""
        versions = ((each.name, each.tables.get("version")) for each in self._sources.documents)
        return tuple((name, version) for name, version in versions if type(version) is int and version < VERSION)

    @property
    def plugins(self) -> Mapping[str, Mapping[str, Any]]:
        """The merged but undecoded tables of plugins, by URI."""
        return self.host.plugins

    def failed_defaults(self, schemas: Mapping[str, type | None]) -> dict[str, ConfigError]:
        """Return the errors of plugins without a table whose classes have no valid defaults, by URI.

        No file is at fault: a setting has no default, or the class is broken.

        Args:
            schemas: As for `decode_plugins`.
        """
        failed = {}
        for uri, schema in schemas.items():
            if schema is None or uri in self.plugins or uri in self.host.disabled_plugins:
                continue
            decoded = decode_table(schema, None, ("plugins", uri), self._merged)
            if isinstance(decoded, list):
                failed[uri] = config_error([problem._replace(line=None) for problem in decoded])
        return failed

    def decode_plugins(
        self,
        schemas: Mapping[str, type | None],
        unloadable: Collection[str] = (),
        proxies: Mapping[str, str] | None = None,
        problems: list[Problem] | None = None,
    ) -> tuple[dict[str, object], list[str]]:
        """Decode the tables of plugins.

        Args:
            schemas: The attrs class of each installed plugin's table, by URI; None if it takes no configuration.
                Plugins in `disabled_plugins` and those whose migration failed are skipped.
            unloadable: URIs of installed plugins that cannot be loaded. Their tables are not checked.
            proxies: The URI of each proxy plugin, by the name of its table.
            problems: A list to add the problems to, instead of raising them.

        Returns:
            An instance of each class by URI, with the defaults if there is no table; and a warning for each table
            that belongs to no installed plugin or to one that takes no configuration. Invalid tables are left out.

        Raises:
            ConfigError: Some tables, proxy plugins or deferred settings of the top level are invalid; it lists all
                problems.
        """
        values: dict[str, object] = {}
        installed, proxies = {*schemas, *unloadable}, proxies or {}
        found = [*self._problems, *self._not_uris(installed), *self._taken_names(installed, proxies)]
        ignored = {*self.host.disabled_plugins, *self.failed_migrations}
        for uri, schema in schemas.items():
            if schema is None or uri in ignored:
                continue
            decoded = decode_table(schema, self.plugins.get(uri), ("plugins", uri), self._merged)
            if isinstance(decoded, list):
                # An absent table and its missing settings have no line.
                found += decoded if uri in self.plugins else [p._replace(line=None) for p in decoded]
            else:
                values[uri] = decoded
        if problems is not None:
            problems += found
        elif found:
            raise config_error(found)
        warnings = self._unused_tables({**schemas, **dict.fromkeys(proxies.values())}, {*ignored, *unloadable})
        return values, [str(warning) for warning in warnings]

    def _not_uris(self, installed: Collection[str]) -> Iterator[Problem]:
        """Yield a problem for each plugin that is not named by its URI."""
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

    def _unused_tables(self, schemas: Mapping[str, type | None], ignored: Collection[str]) -> Iterator[Problem]:
        for uri in self.plugins:
            if uri in ignored or schemas.get(uri) is not None:
                continue
            path = ("plugins", uri)
            if uri in schemas:
                yield self._merged.problem(path, "not used: this plugin takes no configuration")
                continue
            like = _meant(uri, schemas)
            problem = self._merged.problem(path, "not used: no such plugin is installed", nearest=like)
            if problem.key != dotted(path):  # the file does not name the plugin
                found = f"partly not used: it is now part of {uri}, which is not installed"
                problem = problem._replace(found=found, nearest=None)
            yield problem

    def origin(self, key: str) -> Origin | None:
        """Return where a setting or table was last set, or None if it has its default.

        Args:
            key: A dotted TOML key of format version 4: `plugins."io.lamina.x.v1.y".root_path`.

        Raises:
            InvalidArgument: The key is malformed.
        """
        return self.origin_of(reading.parse_key(key))

    def origin_of(self, path: KeyPath) -> Origin | None:
        """Return where the value at a path of keys, with an index for each array, was last set."""
        return self._merged.origin(path)

    def with_migrations(self, migrations: Mapping[str, Migration]) -> Config:
        """Return this configuration with older files also migrated by plugins.

        A migration that raises changes nothing: it is recorded in `failed_migrations`, and `decode_plugins` skips
        its plugin.

        Args:
            migrations: `Registration.migrate` of each plugin that has one, by URI.

        Raises:
            ConfigError: The migrated configuration is invalid.
        """
        sources = self._sources
        return assemble(sources._replace(migrations={**sources.migrations, **migrations})) if migrations else self

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
        return Config(host, self.warnings, self.failed_migrations, self._sources, self._merged, tuple(problems))

    def with_overrides(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        root: str | os.PathLike[str] | None = None,
        state: str | os.PathLike[str] | None = None,
        address: str | None = None,
        log_level: str | None = None,
    ) -> Config:
        """Return this configuration overridden by the environment and by flags, which take precedence.

        Args:
            environ: Environment variables. `LAMINA_ROOT`, `LAMINA_STATE`, `LAMINA_ADDRESS` and `LAMINA_LOG_LEVEL`
                correspond to the flags; an empty variable counts as unset. For another `program` the prefix is its
                name. None: no variables.
            root: `--root`; a relative path is resolved against the working directory. None: not given.
            state: As `root`, for `--state`.
            address: As `root`, for `--address`, the listener's unix socket.
            log_level: `--log-level`.

        Raises:
            ConfigError: A variable or flag has an invalid value or contradicts another setting.
        """
        flags = {"root": root, "state": state, "address": address, "log_level": log_level}
        overrides = overriding(flags, environ or {}, self.program)
        sources = self._sources
        return assemble(sources._replace(overrides=(*sources.overrides, *overrides))) if overrides else self


def _meant(name: str, uris: Collection[str]) -> str | None:
    """Return the URI of the plugin that a name probably means, or None."""
    ids = {uri.rpartition(".")[2]: uri for uri in uris}
    return ids.get(name) or nearest(name, uris) or ids.get(nearest(name, ids) or "")


def assemble(sources: Sources) -> Config:
    """Assemble a configuration.

    Raises:
        ConfigError: See `load`.
    """
    migrated = [migrate(document, sources.migrations) for document in sources.documents]
    merged = merge([*(each.document for each in migrated), *sources.overrides])
    host, wrong = decode_top_level(merged, sources.program)
    problems = [*sources.unread, *(problem for each in migrated for problem in each.problems), *wrong]
    complete = not sources.unread and all(each.whole for each in migrated)
    if host is None or (problems and not (sources.defer and complete)):
        if merged.tables.get("plugins"):
            problems.append(merged.problem(("plugins",), "not checked until the other problems are fixed"))
        raise config_error(problems)
    warnings = tuple(warning for each in migrated for warning in each.warnings)
    failures = {uri: error for each in migrated for uri, error in each.failures.items()}
    return Config(host, warnings, failures, sources, merged, tuple(problems))
