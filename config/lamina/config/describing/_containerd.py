"""Interpret a containerd configuration for lamina, setting by setting."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from lamina.config._problems import KeyPath, Problem, config_error
from lamina.config._schema import VERSION, HostConfig
from lamina.config.reading._decode import decode
from lamina.config.reading._document import Document, read, read_imports
from lamina.config.reading._merge import Merged, merge
from lamina.config.reading._proxies import decode_proxy
from lamina.config.versions._migrate import GRPC_SERVER, OLDEST, migrate

_OWN: Final = frozenset({"root", "state", "temp"})
_OWN_ADDRESSES: Final = frozenset({(GRPC_SERVER, "address"), ("io.containerd.server.v1.metrics", "address")})
"""containerd's own addresses, at which lamina cannot listen."""
_OWN_TIMEOUTS: Final = "io.lamina.timeout."


class Use(enum.StrEnum):
    """Ways in which lamina interprets a setting."""

    HERE = "leads to this lamina"
    SAME = "means the same in lamina"
    OWN = "is specific to containerd: lamina needs a value of its own"
    NONE = "ignored"


@attrs.frozen
class Setting:
    """A setting of containerd."""

    use: Use
    file: str
    line: int | None
    key: str
    """The dotted key as written in the file."""
    value: Any
    note: str
    """The reason, if there is one; else ""."""


@attrs.frozen
class ContainerdConfig:
    """A containerd configuration as lamina interprets it."""

    files: tuple[str, ...]
    """The file and its imports."""
    version: int
    """Format version of the file."""
    settings: tuple[Setting, ...]
    """The settings. A table that is ignored as a whole counts as one."""
    unread: tuple[Problem, ...]
    """Imports that cannot be read."""


def read_containerd(
    path: str,
    schemas: Mapping[str, type | None],
    proxies: Mapping[str, type],
    *,
    address: str,
    names: Mapping[str, str],
) -> ContainerdConfig:
    """Read a containerd configuration of any version.

    Args:
        path: The file, such as `/etc/containerd/config.toml`.
        schemas: The class of each lamina plugin's table, by URI; None if it takes no configuration.
        proxies: The class of a table in `[proxy_plugins]` by the value of its key `type`.
        address: Path of lamina's socket.
        names: A description of the plugin behind each name that lamina's clients can use.

    Raises:
        ConfigError: The file is unreadable, malformed or of an unknown version.
    """
    try:
        main = read(path)
    except OSError as error:
        main = Problem(path, "", None, f"cannot be read: {error.strerror}")
    if isinstance(main, Problem):
        raise config_error([main])
    version = main.tables.get("version", 1)
    if type(version) is not int or version > VERSION:
        raise config_error([main.problem(("version",), repr(version), expected=f"a number up to {VERSION}")])
    documents, unread = read_imports(main)
    merged = merge([_current(document) for document in documents])
    settings = _Reader(merged, schemas, proxies, address, names).settings()
    return ContainerdConfig(
        tuple(document.name for document in documents), version, tuple(settings), tuple(unread)
    )


def _current(document: Document) -> Document:
    """Migrate a document to the newest version. The short plugin names of version 1 are unchanged."""
    version = document.tables.get("version", 1)
    if isinstance(version, int) and version < OLDEST:
        document = attrs.evolve(document, tables={**document.tables, "version": OLDEST})
    return migrate(document, {}).document


@attrs.frozen
class _Reader:
    _merged: Merged
    _schemas: Mapping[str, type | None]
    _proxies: Mapping[str, type]
    _address: str
    _names: Mapping[str, str]

    def settings(self) -> Iterator[Setting]:
        """Yield all settings in order."""
        readers = {
            "timeouts": self._timeout,
            "debug": self._debug,
            "proxy_plugins": self._proxy,
            "plugins": self._plugin,
        }
        for key, value in self._merged.tables.items():
            match key, value:
                case ("version" | "imports", _):
                    continue
                case (("disabled_plugins" | "required_plugins"), list()):
                    yield from self._uris(key, value)
                case _, dict() if key in readers:
                    for name, inner in value.items():
                        yield from readers[key](name, inner)
                case _ if key in _OWN:
                    yield self._setting(Use.OWN if value else Use.NONE, (key,), value, "" if value else "not set")
                case _:
                    yield self._setting(Use.NONE, (key,), value, "lamina has no such setting")

    def _uris(self, key: str, uris: list[Any]) -> Iterator[Setting]:
        names = self._merged.tables.get("proxy_plugins", {})
        known = {*self._schemas, *(f"{type_}.{name}" for name in names for type_ in self._proxies)}
        for index, uri in enumerate(uris):
            use = (Use.SAME, "") if uri in known else (Use.NONE, "lamina has no such plugin")
            yield self._setting(use[0], (key, index), uri, use[1])

    def _timeout(self, name: str, value: Any) -> Iterator[Setting]:
        own = name.startswith(_OWN_TIMEOUTS)
        note = "" if own else "lamina has no such timeout"
        yield self._setting(Use.SAME if own else Use.NONE, ("timeouts", name), value, note)

    def _debug(self, name: str, value: Any) -> Iterator[Setting]:
        yield self._checked(HostConfig, {"debug": {name: value}}, ("debug", name), value)

    def _proxy(self, name: str, value: Any) -> Iterator[Setting]:
        path = ("proxy_plugins", name)
        address = value.get("address", "") if isinstance(value, dict) else ""
        if not isinstance(address, str) or not address or not self._is_here(address):
            yield self._judged(decode_proxy(self._proxies, value, (), self._merged.problem), path, value)
        else:
            advice = "lamina offers nothing of this name: add an alias"
            yield self._setting(Use.HERE, path, value, self._names.get(name, advice))

    def _is_here(self, address: str) -> bool:
        return os.path.realpath(address.removeprefix("unix://")) == os.path.realpath(self._address)

    def _plugin(self, uri: str, table: Any) -> Iterator[Setting]:
        schema = self._schemas.get(uri)
        if schema is None or not isinstance(table, dict):
            note = "takes no configuration in lamina" if uri in self._schemas else "lamina has no such plugin"
            yield self._setting(Use.NONE, ("plugins", uri), table, note)
            return
        for key, value in table.items():
            path = ("plugins", uri, key)
            if value and (key == "root_path" or (uri, key) in _OWN_ADDRESSES):
                yield self._setting(Use.OWN, path, value)
            else:
                yield self._checked(schema, {key: value}, path, value)

    def _checked(self, schema: type, table: dict[str, Any], path: KeyPath, value: Any) -> Setting:
        """Return the setting, judged by whether lamina accepts a table."""
        return self._judged(decode(schema, table, (), self._merged.problem), path, value)

    def _judged(self, decoded: object, path: KeyPath, value: Any) -> Setting:
        """Return the setting, given what it decodes to or the list of its problems."""
        if not isinstance(decoded, list):
            return self._setting(Use.SAME, path, value)
        reasons = (problem._replace(file="", line=None, key="") for problem in decoded)
        return self._setting(Use.NONE, path, value, "; ".join(map(str, reasons)))

    def _setting(self, use: Use, path: KeyPath, value: Any, note: str = "") -> Setting:
        place = self._merged.problem(path, "")
        return Setting(use, place.file, place.line, place.key, value, note)
