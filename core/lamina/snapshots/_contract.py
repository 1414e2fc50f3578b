"""The types of the contract, and the abstract `Snapshotter`."""

from __future__ import annotations

import abc
import enum
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import attrs

from lamina.errdefs import InvalidArgument, Unimplemented

if TYPE_CHECKING:
    from lamina.mount import Mount


class Kind(enum.IntEnum):
    """The kind of a snapshot. The numbers are those of containerd's protocol."""

    VIEW = 1
    ACTIVE = 2
    COMMITTED = 3

    @property
    def title(self) -> str:
        """The kind as containerd's JSON and `ctr` print it: `View`, `Active` or `Committed`."""
        return self.name.capitalize()

    @classmethod
    def parse(cls, word: str) -> Kind:
        """Return the kind of that name, in upper or lower case.

        Raises:
            InvalidArgument: There is no such kind.
        """
        try:
            return cls[word.upper()]
        except KeyError:
            raise InvalidArgument(f"kind {word!r}: expected one of view, active, committed") from None


@attrs.frozen
class Info:
    """The metadata of a snapshot. `created` and `updated` are nanoseconds since 1970, UTC."""

    name: str
    """The key of an active snapshot or view, the name of a committed one."""
    kind: Kind = Kind.COMMITTED
    parent: str = ""
    """The name of the committed snapshot below, or ""."""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    created: int = 0
    updated: int = 0


class Usage(NamedTuple):
    """The disk space of a snapshot beyond its parent."""

    size: int = 0
    """Bytes allocated on disk."""
    inodes: int = 0


class Snapshotter(abc.ABC):
    """Keeps snapshots. Every method may be called from any thread, at any time until `close`.

    Long work calls `lamina.context.current().check()` repeatedly, so that it ends when the call is cancelled.
    Methods raise `lamina.errdefs` classes; each lists those that it adds to `InvalidArgument` (a malformed
    key or label), `Canceled`, `DeadlineExceeded` and `ResourceExhausted` (a full disk).
    """

    @abc.abstractmethod
    def stat(self, key: str) -> Info:
        """Return the metadata of a snapshot of any kind. Costs one read.

        Raises:
            NotFound: There is no such snapshot.
        """

    @abc.abstractmethod
    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        """Change the labels of a snapshot; nothing else can change.

        Args:
            info: `info.name` names the snapshot; `info.labels` holds the new values.
            fieldpaths: `labels` replaces all labels; `labels.<key>` sets one, or deletes it where `info` has
                no value for it (the key is everything after the first dot). Empty: as `labels`.

        Returns:
            The updated metadata.

        Raises:
            NotFound: There is no such snapshot.
            InvalidArgument: A field path names something that cannot change.
        """

    @abc.abstractmethod
    def usage(self, key: str) -> Usage:
        """Return the disk usage of a snapshot: of an active one now, of others as measured at commit.

        Raises:
            NotFound: There is no such snapshot.
        """

    @abc.abstractmethod
    def mounts(self, key: str) -> list[Mount]:
        """Return the mounts of an active snapshot or view, as `prepare` or `view` returned them.

        Raises:
            NotFound: There is no such snapshot.
            FailedPrecondition: It is committed.
        """

    @abc.abstractmethod
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        """Create an active snapshot: a writable tree that shows the parent's content.

        The root directory is part of the tree: it has the parent's mode, owner, extended attributes and time of
        modification. The root of an empty tree has mode 0755.

        Args:
            key: Its key.
            parent: Name of a committed snapshot, or "" for an empty tree.
            labels: Its labels; labels with an empty value are dropped.

        Returns:
            The mounts that show its tree, in order.

        Raises:
            NotFound: The parent does not exist.
            InvalidArgument: The parent is not committed.
            AlreadyExists: A snapshot of any kind has the key.
        """

    @abc.abstractmethod
    def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        """Create a view: like `prepare`, but read-only; a view can never be committed."""

    @abc.abstractmethod
    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        """Turn an active snapshot into a committed one. The key is gone afterwards.

        Args:
            name: The new name.
            key: The active snapshot.
            labels: The committed snapshot's labels; none are inherited from the active one.
            parent: For an active snapshot without a parent, the one to put it on (`rebase`): the root directory
                then takes the parent's mode, owner and extended attributes, unless they were changed since
                `prepare`. Otherwise the snapshot's own parent, or "".

        Raises:
            AlreadyExists: The name is taken.
            NotFound: There is no such key or parent.
            FailedPrecondition: The key is not active, or the parent is not committed.
            InvalidArgument: The snapshot has another parent.
        """

    @abc.abstractmethod
    def remove(self, key: str) -> None:
        """Remove a snapshot of any kind. Its data is deleted in the background.

        Raises:
            NotFound: There is no such snapshot.
            HasChildren: It is the parent of others.
        """

    @abc.abstractmethod
    def walk(self, *filters: str) -> Iterator[Info]:
        """Yield every snapshot that matches any of the filters (all without filters), in byte order of the keys.

        The walk is not atomic: snapshots added or removed meanwhile may be missing or present. Other methods may
        be called during the walk. Different threads may advance the iterator, one at a time, so it must hold
        nothing that belongs to a thread; callers close an iterator that they do not exhaust.

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised before the first item.
            InvalidArgument: The filters exceed a limit of `lamina.filters`. Raised before the first item.
        """

    def cleanup(self) -> None:
        """Delete the data of removed snapshots and interrupted calls now.

        Raises:
            Unimplemented: This snapshotter leaves nothing to delete.
        """
        raise Unimplemented("snapshotter does not implement Cleanup method")

    def keyspace(self, name: str) -> Snapshotter:
        """Return the same snapshotter with another keyspace; snapshots of one are invisible in all others.

        The snapshotter itself is the keyspace named by its plugin's id. Closing the snapshotter closes all.

        Raises:
            Unimplemented: This snapshotter has only one keyspace.
        """
        raise Unimplemented(f"keyspace {name!r}: this snapshotter has only one keyspace")

    def close(self) -> None:  # noqa: B027 - most snapshotters in memory or behind a socket hold nothing
        """Release all resources. Closing twice does nothing."""
