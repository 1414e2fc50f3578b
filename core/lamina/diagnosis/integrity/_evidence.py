"""The evidence to compare: the metastore and its data roots."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from lamina.snapshots import Kind
from lamina.snapshots.recovery import DataRootContents
from lamina.snapshots.storage import Record, shorten
from lamina.snapshots.storage.file import Contents
from lamina.snapshots.storage.recovery_record import RecoveryRecord

_NAMED: Final = 10
"""Maximum number of identifiers that a message lists."""


@attrs.frozen(eq=False)
class Evidence:
    """A metastore and its data roots, read as close together in time as possible."""

    metastore: str
    """The metastore's directory."""
    contents: Contents
    """The contents of the metastore."""
    exists: bool
    """True if there is a metastore."""
    roots: Mapping[str, DataRootContents]
    """The data roots that exist, by snapshotter."""
    configured: Mapping[str, str] = attrs.field(factory=dict)
    """The paths of the configured data roots, by snapshotter."""
    unread: Mapping[str, str] = attrs.field(factory=dict)
    """The errors of data roots that could not be read, by path."""
    host_pid: int | None = None
    """The process of the running host; None if none runs, so that nothing else changes the data."""
    options: str = ""
    """The options that name the host's directories in a command, with a leading space: ` -c FILE`."""
    address: str = ""
    """The option that names its socket in a command, with a leading space: ` -a SOCKET`."""

    @property
    def is_damaged(self) -> bool:
        """True if the metastore may have lost snapshots that it had."""
        return bool(self.contents.problems or self.contents.salvaged)

    @property
    def rebuild(self) -> str:
        """The remedy if the metastore contradicts the other sources."""
        stop = "" if self.host_pid is None else "stop the host, then "
        command = f"lamina metastore rebuild{self.options}"
        return f"{stop}{command} (with --dry-run it shows what it would do)"

    def removal(self, one: RecoveryRecord) -> str:
        """Return the command that removes a snapshot from a running host."""
        name, key = shlex.quote(one.keyspace), shlex.quote(one.record.info.name)
        return f"lamina snapshots{self.address} --snapshotter {name} rm {key}"

    @functools.cached_property
    def snapshots(self) -> Mapping[str, Mapping[int, RecoveryRecord]]:
        """The snapshots in the metastore, by snapshotter and identifier."""
        found: dict[str, dict[int, RecoveryRecord]] = {name: {} for name in self.roots}
        for one in self.contents.snapshots:
            found.setdefault(one.snapshotter, {})[one.record.id] = one
        return found

    @property
    def rootless(self) -> Mapping[str, int]:
        """The numbers of the snapshots of snapshotters without a data root, by snapshotter."""
        return {
            name: len(ones)
            for name, ones in self.snapshots.items()
            if name not in self.roots and self.configured.get(name) not in self.unread
        }


def has_own_data(record: Record) -> bool:
    """Return whether every backend stores data for a snapshot: a view may share its parent's."""
    return record.info.kind is not Kind.VIEW or not record.parent_ids


def named(ids: Iterable[int]) -> str:
    """Format identifiers for a message: the first few, and the number of the others."""
    ordered = sorted(ids)
    shown = ", ".join(map(str, ordered[:_NAMED]))
    return f"{shown} and {len(ordered) - _NAMED:,} more" if len(ordered) > _NAMED else shown


def described(one: RecoveryRecord) -> str:
    """Describe a snapshot for a message."""
    record = one.record
    return f"{record.info.kind.name.lower()} snapshot {shorten(record.info.name)} (identifier {record.id})"
