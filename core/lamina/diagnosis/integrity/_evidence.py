"""What the sources say that are compared with one another."""

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
"""How many identifiers a sentence names."""


@attrs.frozen(eq=False)
class Evidence:
    """A metastore and its data roots, looked at as nearly at the same time as may be."""

    metastore: str
    """The metastore's directory."""
    contents: Contents
    """What the metastore says."""
    exists: bool
    """Whether there is a metastore."""
    roots: Mapping[str, DataRootContents]
    """The data roots that exist, by snapshotter."""
    unread: Mapping[str, str] = attrs.field(factory=dict)
    """Why the data roots that could not be looked through could not be, by path."""
    host_pid: int | None = None
    """The process of the host that runs; None where none does. Then nobody else changes anything."""
    options: str = ""
    """What names the host's directories in a command, with a blank before it: ` -c FILE`."""
    address: str = ""
    """What names its socket in a command, with a blank before it: ` -a SOCKET`."""

    @property
    def rebuild(self) -> str:
        """What to do where the metastore does not say what the other sources say."""
        stop = "" if self.host_pid is None else "stop the host, then "
        command = f"lamina metastore rebuild{self.options}"
        return f"{stop}{command} (with --dry-run it shows what it would do)"

    def removal(self, one: RecoveryRecord) -> str:
        """The command that removes a snapshot, of a host that runs."""
        name, key = shlex.quote(one.keyspace), shlex.quote(one.record.info.name)
        return f"lamina snapshots{self.address} --snapshotter {name} rm {key}"

    @functools.cached_property
    def snapshots(self) -> Mapping[str, Mapping[int, RecoveryRecord]]:
        """What the metastore says of each snapshot, by snapshotter and identifier."""
        found: dict[str, dict[int, RecoveryRecord]] = {name: {} for name in self.roots}
        for one in self.contents.snapshots:
            found.setdefault(one.snapshotter, {})[one.record.id] = one
        return found


def has_own_data(record: Record) -> bool:
    """Whether a snapshot has data of its own in every backend: views of a parent may show the parent's."""
    return record.info.kind is not Kind.VIEW or not record.parent_ids


def named(ids: Iterable[int]) -> str:
    """Identifiers for a sentence: the first few, and how many more there are."""
    ordered = sorted(ids)
    shown = ", ".join(map(str, ordered[:_NAMED]))
    return f"{shown} and {len(ordered) - _NAMED:,} more" if len(ordered) > _NAMED else shown


def described(one: RecoveryRecord) -> str:
    """A snapshot for a sentence."""
    record = one.record
    return f"{record.info.kind.name.lower()} snapshot {shorten(record.info.name)} (identifier {record.id})"
