"""The top level of a configuration file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

from lamina.config._duration import Duration
from lamina.errdefs import InvalidArgument
from lamina.places import default_root, default_state

VERSION: Final = 4
"""The newest format version, that of containerd 2.3."""

_PLATFORM: Final = re.compile(r"[a-z0-9_]+/[a-z0-9_]+(/[a-z0-9_.]+)?")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")
_IDENTIFIER_LENGTH: Final = 76
"""Characters in a namespace, containerd `pkg/identifiers`."""


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


def _check_path(_: object, __: attrs.Attribute[str], path: str) -> None:
    if "\0" in path:
        raise InvalidArgument("a path cannot contain a NUL")


def _check_given(_: object, field: attrs.Attribute[str], path: str) -> None:
    if not path:
        raise InvalidArgument(f"{field.name} must be specified")


def _check_platform(_: object, __: attrs.Attribute[str], platform: str) -> None:
    if platform and not _PLATFORM.fullmatch(platform):
        raise InvalidArgument(f'"{platform}" is no platform: expected one like "linux/amd64" or "linux/arm/v7"')


def _check_namespace(_: object, __: attrs.Attribute[str], name: str) -> None:
    if name and (len(name) > _IDENTIFIER_LENGTH or not _IDENTIFIER.fullmatch(name)):
        raise InvalidArgument(
            f'"{name}" is no namespace: expected up to {_IDENTIFIER_LENGTH} letters and digits, '
            "with single '.', '_' or '-' between them"
        )


def _check_duration(_: object, __: attrs.Attribute[Duration], duration: Duration) -> None:
    if duration <= 0:
        raise InvalidArgument(f"expected a duration longer than 0s, found {duration}")


def _check_names(_: object, __: object, proxies: Mapping[str, object]) -> None:
    for name in proxies:
        if not name or "/" in name or "\0" in name:
            raise InvalidArgument(f"{name!r} cannot name a plugin: it must not be empty, nor have a '/' or NUL")


@attrs.frozen
class ProxyPlugin:
    """A snapshotter that lives behind another socket.

    The plugin's id is the name of this table. It has the one keyspace that the other side keeps for it, so aliases
    and `lamina-<id>` do not work for it. To have several, add a proxy plugin for each, with a `snapshotter` that
    is another keyspace there.
    """

    type: Literal["snapshot", "io.containerd.snapshotter.v1"]
    """What it is; both words mean a snapshotter. containerd's other types are not supported."""
    address: str = attrs.field(validator=[_check_path, _check_given])
    """Path of the unix socket. Nobody needs to listen there yet when the host starts."""
    platform: str = attrs.field(default="", validator=_check_platform)
    """For which platform it is, such as linux/arm64; empty: that of this machine."""
    exports: dict[str, str] = attrs.field(factory=dict)
    """What the plugin tells of itself; `address` is always added."""
    capabilities: list[str] = attrs.field(factory=list)
    """What it can do, such as rebase or remap-ids."""
    snapshotter: str = ""
    """The name to ask for on the other side; empty: the plugin's own."""
    namespace: str = attrs.field(default="", validator=_check_namespace)
    """containerd namespace of the calls that come without one. containerd needs one, lamina does not."""
    timeout: Duration = attrs.field(default=Duration(300), validator=_check_duration)
    """How long a call may take."""
    quick_timeout: Duration = attrs.field(default=Duration(10), validator=_check_duration)
    """How long stat and mounts may take, which otherwise keep quick calls to other snapshotters waiting."""


def proxy_uri(name: str) -> str:
    """The URI of a proxy plugin."""
    return f"io.containerd.snapshotter.v1.{name}"


@attrs.frozen
class Debug:
    """What is logged, and how."""

    level: Literal["trace", "debug", "info", "warn", "error", "fatal", "panic"] = "info"
    """The least severe level that is logged: trace, debug, info, warn, error, fatal or panic."""
    format: Literal["text", "json"] = "text"
    """How a log line looks: text or json."""


@attrs.frozen
class HostConfig:
    """The top level of a configuration file."""

    version: int = VERSION
    """Version of the file's format."""
    root: str = attrs.field(factory=default_root, converter=_absolute, validator=[_check_path, _check_given])
    """Directory of the data that is to last; each plugin gets one of its own below it."""
    state: str = attrs.field(factory=default_state, converter=_absolute, validator=[_check_path, _check_given])
    """Directory of what is gone after a reboot, such as sockets."""
    temp: str = attrs.field(default="", converter=_absolute, validator=_check_path)
    """Directory for temporary files; the system's where it is empty."""
    imports: list[str] = attrs.field(factory=list)
    """Files, or patterns of files, that are read after this one and override it."""
    disabled_plugins: list[str] = attrs.field(factory=list)
    """URIs of plugins that are not initialised."""
    required_plugins: list[str] = attrs.field(factory=list)
    """URIs of plugins without which the host does not start."""
    disabled_distributions: list[str] = attrs.field(factory=list)
    """Names of installed packages whose plugins are not even imported."""
    timeouts: dict[str, Duration] = attrs.field(factory=dict)
    """How long operations may take, by name, as durations such as "5s"."""
    debug: Debug = attrs.field(factory=Debug)
    """What is logged, and how."""
    proxy_plugins: dict[str, ProxyPlugin] = attrs.field(factory=dict, validator=_check_names)
    """Snapshotters that live behind other sockets, by name."""
    plugins: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """Settings of plugins, by URI; each plugin says what its table may hold."""

    @state.validator
    def _check_state(self, _: attrs.Attribute[str], state: str) -> None:
        if state == self.root:
            raise InvalidArgument(f"root and state must be different paths, both are {state}")
