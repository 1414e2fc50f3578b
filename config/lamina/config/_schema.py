"""The top level of a configuration file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import attrs

from lamina.duration import Duration
from lamina.errdefs import InvalidArgument
from lamina.places import default_root, default_state

VERSION: Final = 4
"""The newest format version, introduced by containerd 2.3."""


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


def _check_path(_: object, __: attrs.Attribute[Any], path: str) -> None:
    if "\0" in path:
        raise InvalidArgument("a path cannot contain a NUL")
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise InvalidArgument(f"{shown} is not valid UTF-8, as paths that plugins export must be") from None


def _check_given(_: object, field: attrs.Attribute[str], path: str) -> None:
    if not path:
        raise InvalidArgument(f"{field.name} must be specified")


def _check_imports(_: object, field: attrs.Attribute[list[str]], imports: Iterable[str]) -> None:
    for path in imports:
        _check_path(_, field, path)


def _check_timeouts(_: object, __: object, timeouts: Mapping[str, Duration]) -> None:
    for name, timeout in timeouts.items():
        if timeout < 0:
            raise InvalidArgument(f"{name}: expected a duration that is not negative, found {timeout}")


def _check_names(_: object, __: object, proxies: Mapping[str, object]) -> None:
    for name in proxies:
        if not name or "/" in name or "\0" in name:
            raise InvalidArgument(f"{name!r} cannot name a plugin: it must not be empty or contain '/' or NUL")


@attrs.frozen(repr=False)
class Debug:
    """The level and format of the log."""

    level: Literal["trace", "debug", "info", "warn", "error", "fatal", "panic"] = "info"
    """The least severe level logged: trace, debug, info, warn, error, fatal or panic."""
    format: Literal["text", "json"] = "text"
    """The format of log lines: text or json."""


@attrs.frozen(repr=False)
class HostConfig:
    """The top level of a configuration file."""

    version: int = VERSION
    """Version of the file's format."""
    root: str = attrs.field(factory=default_root, converter=_absolute, validator=[_check_path, _check_given])
    """Directory for persistent data. Each plugin gets a subdirectory."""
    state: str = attrs.field(factory=default_state, converter=_absolute, validator=[_check_path, _check_given])
    """Directory for data that need not survive a reboot, such as sockets."""
    temp: str = attrs.field(default="", converter=_absolute, validator=_check_path)
    """Directory for temporary files; empty: the system's."""
    imports: list[str] = attrs.field(factory=list, validator=_check_imports)
    """Files, or patterns of files, that are read after this one and override it."""
    disabled_plugins: list[str] = attrs.field(factory=list)
    """URIs of plugins that are not initialised."""
    required_plugins: list[str] = attrs.field(factory=list)
    """URIs of plugins without which the host does not start."""
    disabled_distributions: list[str] = attrs.field(factory=list)
    """Names of installed packages whose plugins are not even imported."""
    timeouts: dict[str, Duration] = attrs.field(factory=dict, validator=_check_timeouts)
    """Timeouts of operations by name, as durations such as "5s"."""
    debug: Debug = attrs.field(factory=Debug)
    """The level and format of the log."""
    proxy_plugins: dict[str, Any] = attrs.field(factory=dict, validator=_check_names)
    """Plugins behind other sockets, by name. The settings allowed depend on `type`."""
    plugins: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """Settings of plugins, by URI. Each plugin defines its own."""

    @state.validator
    def _check_state(self, _: attrs.Attribute[str], state: str) -> None:
        if state == self.root:
            raise InvalidArgument(f"root and state must be different paths, both are {state}")
