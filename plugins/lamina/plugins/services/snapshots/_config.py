"""The configuration classes of the snapshots service and of proxies of snapshotters."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, Literal

import attrs

from lamina.duration import Duration
from lamina.errdefs import InvalidArgument
from lamina.images import check_namespace

_DEFAULT_ALIASES: Final = {"lamina": "overlayfs"}
_PLATFORM: Final = re.compile(r"[a-z0-9_]+/[a-z0-9_]+(/[a-z0-9_.]+)?")


@attrs.frozen(eq=False, repr=False)
class SnapshotsConfig:
    """The names under which clients find snapshotters."""

    aliases: dict[str, str] = attrs.field(factory=_DEFAULT_ALIASES.copy)
    """Additional names of snapshotters, each with a keyspace of its own, invisible to clients of other names."""

    def aliases_beside(self, ids: Collection[str]) -> dict[str, str]:
        """Return the aliases, without the default alias if it is unchanged and a snapshotter has that id."""
        if self.aliases != _DEFAULT_ALIASES:
            return self.aliases
        return {alias: target for alias, target in self.aliases.items() if alias not in ids}

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """Return the snapshotter id behind each name that clients may use, given the ids of all snapshotters."""
        return {**with_own_names(ids, self.aliases_beside(ids)), **{id_: id_ for id_ in ids}}


def with_own_names(ids: Collection[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Return the aliases, and for each snapshotter `lamina-<id>`, unless an alias already has that name."""
    return {**{f"lamina-{id_}": id_ for id_ in ids}, **aliases}


def _check_address(_: object, __: object, address: str) -> None:
    if not address:
        raise InvalidArgument("address must be specified")
    if "\0" in address:
        raise InvalidArgument("a path cannot contain a NUL")


def _check_platform(_: object, __: object, platform: str) -> None:
    if platform and not _PLATFORM.fullmatch(platform):
        raise InvalidArgument(f'"{platform}" is not a platform: expected one like "linux/amd64" or "linux/arm/v7"')


def _check_namespace(_: object, __: object, name: str) -> None:
    if name:
        check_namespace(name)


def _check_duration(_: object, __: object, duration: Duration) -> None:
    if duration <= 0:
        raise InvalidArgument(f"expected a duration longer than 0s, found {duration}")


@attrs.frozen(eq=False, repr=False)
class SnapshotterProxy:
    """A snapshotter behind another socket.

    The plugin's id is the name of this table. The proxy has the single keyspace that the other side keeps for it,
    so aliases and `lamina-<id>` do not work for it. For several keyspaces, add a proxy plugin for each, with a
    `snapshotter` that is another keyspace there.
    """

    type: Literal["snapshot", "io.containerd.snapshotter.v1"]
    """The type of the proxy; both words mean a snapshotter. containerd's other types are not supported."""
    address: str = attrs.field(validator=_check_address)
    """Path of the unix socket. The server may start later than the host."""
    platform: str = attrs.field(default="", validator=_check_platform)
    """The platform of the snapshots, such as linux/arm64; empty: the platform of this machine."""
    exports: dict[str, str] = attrs.field(factory=dict)
    """Exports of the plugin; `address` is always added."""
    capabilities: list[str] = attrs.field(factory=list)
    """Capabilities of the snapshotter, such as rebase or remap-ids."""
    snapshotter: str = ""
    """Name of the snapshotter on the other side; empty: the name of this table."""
    namespace: str = attrs.field(default="", validator=_check_namespace)
    """containerd namespace of calls that have none. containerd requires one, lamina does not."""
    timeout: Duration = attrs.field(default=Duration(300), validator=_check_duration)
    """Maximum duration of a call."""
    quick_timeout: Duration = attrs.field(default=Duration(10), validator=_check_duration)
    """Maximum duration of stat and mounts."""
