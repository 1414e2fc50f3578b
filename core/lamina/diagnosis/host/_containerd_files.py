"""Read the configurations of the containerds on this machine."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from lamina.diagnosis import AS_ROOT, processes_named
from lamina.plugin import Finding

CONFIG: Final = "/etc/containerd/config.toml"
"""The default path of containerd's configuration."""
_SOCKET: Final = "/run/containerd/containerd.sock"
"""The default address of containerd."""
_GRPC: Final = "io.containerd.server.v1.grpc"
"""The plugin that has the address in a file of version 4."""
_CONFIG_OPTIONS: Final = frozenset({"-c", "--config", "-config"})
_ADDRESS_OPTIONS: Final = frozenset({"-a", "--address", "-address"})
_OF_CONTAINERD_2: Final = 3
"""The first version of a file in which the plugins of CRI have their names of containerd 2."""
_CORRECT: Final = "correct it: containerd may not start with it"


@attrs.frozen
class Table:
    """`[proxy_plugins.<name>]` in a containerd configuration."""

    name: str
    file: str
    address: str
    capabilities: frozenset[str]


@attrs.frozen
class ContainerdFiles:
    """The contents of a file of containerd and of all that it imports."""

    tables: Mapping[str, Table]
    """The proxy plugins by name. A later file replaces the whole table of an earlier one."""
    address: str
    """The socket of the containerd that runs with it; empty if none does."""
    unread: Sequence[Finding]
    """The files that could not be read."""
    newer_import: tuple[str, str] = ("", "")
    """The main file and an import of it, if only the latter has plugins by their names of containerd 2."""


def containerd_files() -> Iterator[ContainerdFiles]:
    """Yield the configuration of each running containerd, and the one at the default path."""
    places = {place.file: place for place in map(_started, processes_named("containerd"))}
    for place in (places | {CONFIG: places.get(CONFIG, _Place(CONFIG))}).values():
        yield _read(place)


@attrs.frozen
class _Place:
    """The place of a containerd's configuration."""

    file: str
    root: str = ""
    """Prefix of absolute paths; not empty if the process has other mounts than this one."""
    address: str = ""
    """The address on its command line."""
    runs: bool = False


def _started(pid: int) -> _Place:
    """Return the configuration file that a containerd was started with, as visible to this process."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="surrogateescape") as words:
            arguments = words.read().split("\0")
        directory = os.readlink(f"/proc/{pid}/cwd")
    except OSError:  # it has just exited, or is another user's
        return _Place(CONFIG)
    file = os.path.join(directory, _option(arguments, _CONFIG_OPTIONS) or CONFIG)
    address = _option(arguments, _ADDRESS_OPTIONS)
    root = "" if _is_visible(file, f"/proc/{pid}/root") else f"/proc/{pid}/root"
    return _Place(root + file, root, address, runs=True)


def _is_visible(file: str, root: str) -> bool:
    """Return whether a path leads this process to the same file as one with another root directory."""
    try:
        return os.path.samefile(file, root + file)
    except OSError:
        return os.path.lexists(file)


def _option(arguments: Sequence[str], names: frozenset[str]) -> str:
    """Return the value of the last option of those names; empty without one."""
    found = ""
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        option, _, value = word.partition("=")
        if option in names:
            found = value or following
    return found


def _read(place: _Place) -> ContainerdFiles:
    tables: dict[str, Table] = {}
    unread = []
    versions: dict[str, int] = {}
    address = ""
    pending, seen = [place.file], set[str]()
    while pending:
        file = pending.pop(0)
        if file in seen or (file == CONFIG and not os.path.lexists(file)):
            continue
        seen.add(file)
        try:
            with open(file, "rb") as text:
                document = tomllib.load(text)
            versions[file] = _version(document)
            tables |= {table.name: table for table in _tables(file, document)}
            address = _address(document) or address
            pending += _imports(file, document, place.root)
        except PermissionError as error:
            unread.append(Finding.unknown("tables", f"{file}: {error.strerror}", AS_ROOT))
        except OSError as error:
            unread.append(Finding.unknown("tables", f"{file}: {error.strerror}", _CORRECT))
        except ValueError as error:
            unread.append(Finding.unknown("tables", f"{file}: {error}", _CORRECT))
    socket = place.root + (place.address or address or _SOCKET).removeprefix("unix://") if place.runs else ""
    newer = [file for file, version in versions.items() if version >= _OF_CONTAINERD_2]
    is_old = versions.get(place.file, _OF_CONTAINERD_2) < _OF_CONTAINERD_2
    return ContainerdFiles(tables, socket, unread, (place.file, newer[0]) if is_old and newer else ("", ""))


def _version(document: Mapping[str, Any]) -> int:
    """Return the version of a file.

    Raises:
        ValueError: It is not a number.
    """
    version = document.get("version", 0)
    if isinstance(version, int):
        return version
    raise ValueError("version is not a number")


def _imports(file: str, document: Mapping[str, Any], root: str) -> Iterator[str]:
    """Yield the files that a file imports.

    Raises:
        ValueError: They are not an array of strings.
    """
    for pattern in _strings(document, "imports"):
        path = os.path.join(os.path.dirname(file), root + pattern if os.path.isabs(pattern) else pattern)
        yield from sorted(glob.glob(path, include_hidden=True)) if "*" in pattern else [path]


def _tables(file: str, document: Mapping[str, Any]) -> Iterator[Table]:
    """Yield the proxy plugins of a file.

    Raises:
        ValueError: They are not tables as containerd reads them.
    """
    proxies = _table(document, "proxy_plugins")
    for name in proxies:
        table = _table(proxies, name)
        yield Table(name, file, str(table.get("address", "")), frozenset(_strings(table, "capabilities")))


def _address(document: Mapping[str, Any]) -> str:
    """Return the address in a file, empty if it has none.

    Raises:
        ValueError: It is not where containerd reads it.
    """
    for table in (_table(document, "grpc"), _table(_table(document, "plugins"), _GRPC)):
        if address := table.get("address"):
            return str(address)
    return ""


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = parent.get(key, {})
    if isinstance(table, dict):
        return table
    raise ValueError(f"{key} is not a table")


def _strings(parent: Mapping[str, Any], key: str) -> Sequence[str]:
    values = parent.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{key} is not an array of strings")
    return values
