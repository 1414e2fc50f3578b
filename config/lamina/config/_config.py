"""`Config`: what the files and flags say together, and the plugins' part of it decoded on request."""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from lamina.config._document import Document, read, read_imports
from lamina.config._merge import Merged, Origin, merge
from lamina.config._migrate import GRPC_SERVER, migrate
from lamina.config._positions import parse_key
from lamina.config._problems import Problem, config_error, nearest
from lamina.config._schema import VERSION, HostConfig, default_config_path, proxy_uri

_NEEDED: Final = frozenset({"disabled_distributions", "disabled_plugins", "plugins"})
"""Settings without which plugins' tables cannot be decoded."""


@attrs.frozen(eq=False)
class Config:
    """A configuration whose top level is in order, or known not to be. `load` and `from_document` make one."""

    host: HostConfig
    """The top level. Where problems are deferred, what is wrong has its default."""
    file: Path | None
    """The main file, or None where there is none."""
    warnings: tuple[str, ...]
    """What was left out in reading, a sentence each."""
    _documents: tuple[Document, ...]
    _merged: Merged
    _defer: bool = False
    _migration: tuple[Problem, ...] = ()
    _problems: tuple[Problem, ...] = ()
    """What is wrong with the top level; `_migration` is the part of it that flags cannot change."""

    @property
    def plugins(self) -> Mapping[str, Mapping[str, Any]]:
        """The plugins' tables by URI, merged and not decoded."""
        return self.host.plugins

    def decode_plugins(
        self, schemas: Mapping[str, type | None], unloadable: Collection[str] = ()
    ) -> tuple[dict[str, object], list[str]]:
        """Decode the tables of plugins.

        Args:
            schemas: For each plugin that is installed, by URI, the attrs class of its table; None where it
                takes no configuration. Those in `disabled_plugins` are passed over.
            unloadable: URIs of plugins that are installed and cannot be loaded. Nothing is said of their tables.

        Returns:
            By URI an instance of each class, of defaults alone where there is no table. And warnings: one
            for each table that belongs to no installed plugin, or to one that takes no configuration.

        Raises:
            ConfigError: With all problems of all tables, and those of the top level that were deferred; a proxy
                plugin that has the name of another snapshotter is one, too.
        """
        from lamina.config._decode import decode  # noqa: PLC0415 # cattrs is slow to import

        values: dict[str, object] = {}
        problems = [*self._problems, *self._taken_names({*schemas, *unloadable})]
        for uri, schema in schemas.items():
            if schema is None or uri in self.host.disabled_plugins:
                continue
            decoded = decode(schema, self.plugins.get(uri, {}), ("plugins", uri), self._merged.problem)
            if isinstance(decoded, list):
                # A table that is absent has no line; nor has what is missing in it.
                problems += decoded if uri in self.plugins else [attrs.evolve(p, line=None) for p in decoded]
            else:
                values[uri] = decoded
        if problems:
            raise config_error(problems)
        proxies = dict.fromkeys(map(proxy_uri, self.host.proxy_plugins))
        warnings = self._unused_tables({**schemas, **proxies}, {*self.host.disabled_plugins, *unloadable})
        return values, [str(warning) for warning in warnings]

    def _taken_names(self, installed: Collection[str]) -> list[Problem]:
        """Proxy plugins with the name of another snapshotter."""
        found = "there is another snapshotter of this name: choose a name of its own"
        names = [name for name in self.host.proxy_plugins if proxy_uri(name) in installed]
        return [self._merged.problem(("proxy_plugins", name), found) for name in names]

    def _unused_tables(self, schemas: Mapping[str, type | None], ignored: Collection[str]) -> list[Problem]:
        unused = []
        for uri in self.plugins:
            if uri in ignored or schemas.get(uri) is not None:
                continue
            path = ("plugins", uri)
            if uri in schemas:
                unused.append(self._merged.problem(path, "not used: this plugin takes no configuration"))
            else:
                like = nearest(uri, schemas)
                unused.append(self._merged.problem(path, "not used: no such plugin is installed", nearest=like))
        return unused

    def origin(self, key: str) -> Origin | None:
        """Where a setting or table was last set; None where it was not, so that the default holds.

        Args:
            key: A dotted key of format version 4 as in TOML: `plugins."io.lamina.x.v1.y".root_path`.

        Raises:
            InvalidArgument: It is no dotted key.
        """
        return self._merged.origin(parse_key(key))

    def with_overrides(
        self,
        *,
        root: str | os.PathLike[str] | None = None,
        state: str | os.PathLike[str] | None = None,
        address: str | None = None,
        log_level: str | None = None,
    ) -> Config:
        """This configuration with what the command line's flags say put over it. None leaves a setting alone.

        Args:
            root: `--root`; a relative path is taken from the working directory.
            state: `--state`, likewise.
            address: `--address`, the listener's unix socket, likewise.
            log_level: `--log-level`.

        Raises:
            ConfigError: A flag's value is wrong, or does not go with the rest.
        """
        flags: Mapping[str, tuple[Any, Any]] = {
            "--root": (root, {"root": root and os.fspath(root)}),
            "--state": (state, {"state": state and os.fspath(state)}),
            "--address": (address, {"plugins": {GRPC_SERVER: {"address": address and _absolute(address)}}}),
            "--log-level": (log_level, {"debug": {"level": log_level}}),
        }
        given = [Document(flag, tables) for flag, (value, tables) in flags.items() if value is not None]
        documents = [*self._documents, *given]
        return _assemble(documents, self.file, self.warnings, self._migration, defer=self._defer)


def _absolute(address: str) -> str:
    """An address whose path is absolute. What is no path of a unix socket stays, and the listener refuses it."""
    path = address.removeprefix("unix://")
    return address if not path or "://" in path else os.path.abspath(path)


def load(path: str | os.PathLike[str] | None = None, *, defer: bool = False) -> Config:
    """Read a configuration file and all that it imports.

    Args:
        path: The file. None: the one at `default_config_path()` if it exists, otherwise the defaults alone.
        defer: Whether problems of the top level may wait for `Config.decode_plugins`, which tells them together
            with those of the plugins' tables. Do nothing before that but find the plugins.

    Raises:
        ConfigError: With all problems of all files: files that cannot be read, syntax, format versions, and
            the top level. Plugins' tables are not looked at yet: which plugins there are, and which
            packages may be imported to find out, is what the top level says. See `Config.decode_plugins`.
            What leaves that unknown is not deferred.
    """
    name = os.fspath(default_config_path() if path is None else path)
    try:
        main = read(name)
    except OSError as error:
        if path is None and isinstance(error, FileNotFoundError | NotADirectoryError):
            return _from_main(Document("<defaults>", {"version": VERSION}), None, defer)
        main = Problem(name, "", None, f"cannot be read: {error.strerror}")
    if isinstance(main, Problem):
        raise config_error([main])
    return _from_main(main, Path(name), defer)


def from_document(tables: Mapping[str, Any]) -> Config:
    """A configuration from a program instead of a file.

    Args:
        tables: What tomli would return for a file. `version` may be left out, and is the newest then.
            Relative imports are taken from the working directory.

    Raises:
        ConfigError: As `load` does.
    """
    return _from_main(Document("<document>", {"version": VERSION} | copy.deepcopy(dict(tables))), None)


def _from_main(main: Document, file: Path | None, defer: bool = False) -> Config:
    documents, problems = read_imports(main)
    migrated = [migrate(document) for document in documents]
    complete = not problems and all(each.whole for each in migrated)
    problems += [problem for each in migrated for problem in each.problems]
    warnings = tuple(warning for each in migrated for warning in each.warnings)
    return _assemble([each.document for each in migrated], file, warnings, problems, defer=defer and complete)


def _assemble(
    documents: Sequence[Document],
    file: Path | None,
    warnings: tuple[str, ...],
    migration: Sequence[Problem],
    *,
    defer: bool,
) -> Config:
    merged = merge(documents)
    host, problems = _decode_host(merged)
    problems = [*migration, *problems]
    if host is None or (problems and not defer):
        if merged.tables.get("plugins"):
            problems.append(merged.problem(("plugins",), "not looked at until the rest is in order"))
        raise config_error(problems)
    return Config(host, file, warnings, tuple(documents), merged, defer, tuple(migration), tuple(problems))


def _decode_host(merged: Merged) -> tuple[HostConfig | None, list[Problem]]:
    """The top level with defaults in place of what is wrong, if that can do without; and what is wrong."""
    from lamina.config._decode import decode  # noqa: PLC0415 # cattrs is slow to import

    host = decode(HostConfig, merged.tables, (), merged.problem)
    if not isinstance(host, list):
        return host, []
    alone = ((key, decode(HostConfig, {key: value}, (), merged.problem)) for key, value in merged.tables.items())
    wrong = {key for key, decoded in alone if isinstance(decoded, list)}
    sound = {key: value for key, value in merged.tables.items() if key not in wrong}
    rest = None if wrong & _NEEDED else decode(HostConfig, sound, (), merged.problem)
    return None if isinstance(rest, list) else rest, host
