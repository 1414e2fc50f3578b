"""The words of the contract, and the abstract `Snapshotter`."""

from __future__ import annotations

import abc
import enum
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from lamina.errdefs import InvalidArgument, Unimplemented

if TYPE_CHECKING:
    from lamina.mount import Mount


class Kind(enum.IntEnum):
    """What a snapshot is. The numbers are those of containerd's protocol."""

    VIEW = 1
    ACTIVE = 2
    COMMITTED = 3

    @property
    def title(self) -> str:
        """`View`, `Active` or `Committed`, as containerd's JSON and `ctr` print it."""
        return self.name.capitalize()

    @classmethod
    def parse(cls, word: str) -> Kind:
        """The kind that a word names, in any case.

        Raises:
            InvalidArgument: It names none.
        """
        try:
            return cls[word.upper()]
        except KeyError:
            raise InvalidArgument(f"kind {word!r}: expected one of view, active, committed") from None


@attrs.frozen
class Info:
    """What a snapshotter knows of a snapshot. `created` and `updated` are nanoseconds since 1970, UTC."""

    name: str
    """The key of an active snapshot or view, the name of a committed one."""
    kind: Kind = Kind.COMMITTED
    parent: str = ""
    """The committed snapshot that it is built on, or ""."""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    created: int = 0
    updated: int = 0


@attrs.frozen
class Usage:
    """What a snapshot takes up beyond its parent."""

    size: int = 0
    """Bytes allocated on disk."""
    inodes: int = 0


class Snapshotter(abc.ABC):
    """Keeps snapshots. Every method may be called from any thread, at any time until `close`.

    Long work asks `lamina.context.current().check()` as it goes, so that a call nobody waits for ends.
    Methods raise `lamina.errdefs` classes; each lists those that it adds to `InvalidArgument` (a malformed
    key or label), `Canceled`, `DeadlineExceeded` and `ResourceExhausted` (a full disk).
    """

    @abc.abstractmethod
    def stat(self, key: str) -> Info:
        """What is known of a snapshot of any kind. Costs one read.

        Raises:
            NotFound: There is no such snapshot.
        """

    @abc.abstractmethod
    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        """Change labels, the only thing of a snapshot that can change.

        Args:
            info: `info.name` says which snapshot; `info.labels` holds the new values.
            fieldpaths: `labels` replaces all labels; `labels.<key>` sets one, or deletes it where `info` has
                no value for it (the key is everything after the first dot). Empty: as `labels`.

        Returns:
            The snapshot as it is now.

        Raises:
            NotFound: There is no such snapshot.
            InvalidArgument: A field path names something that cannot change.
        """

    @abc.abstractmethod
    def usage(self, key: str) -> Usage:
        """What a snapshot takes up. Active ones are measured now; others answer what was measured at commit.

        Raises:
            NotFound: There is no such snapshot.
        """

    @abc.abstractmethod
    def mounts(self, key: str) -> list[Mount]:
        """The mounts of an active snapshot or view, as `prepare` or `view` returned them.

        Raises:
            NotFound: There is no such snapshot.
            FailedPrecondition: It is committed.
        """

    @abc.abstractmethod
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        """Create an active snapshot: a writable tree that shows the parent's content.

        The root directory is part of the tree: mode, owner, extended attributes and time are the parent's. The
        root of an empty tree has mode 0755.

        Args:
            key: Its key.
            parent: Name of a committed snapshot, or "" for an empty tree.
            labels: Its labels; those with an empty value are dropped.

        Returns:
            The mounts that give its tree, in order.

        Raises:
            NotFound: The parent does not exist.
            InvalidArgument: The parent is not committed.
            AlreadyExists: The key is taken, by a snapshot of whatever kind.
        """

    @abc.abstractmethod
    def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        """Create a view: as `prepare`, but read-only, and it can never be committed."""

    @abc.abstractmethod
    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        """Turn an active snapshot into a committed one. The key is gone afterwards.

        Args:
            name: The new name.
            key: The active snapshot.
            labels: The committed snapshot's labels. None are inherited from the active one.
            parent: Where the active snapshot has no parent, the one to put it on (`rebase`); its root directory
                takes that one's mode, owner and extended attributes, each where it is as `prepare` made it.
                Otherwise its own parent, or "".

        Raises:
            AlreadyExists: The name is taken.
            NotFound: There is no such key or parent.
            FailedPrecondition: The key is not active, or the parent is not committed.
            InvalidArgument: The parent is not the one that the snapshot has.
        """

    @abc.abstractmethod
    def remove(self, key: str) -> None:
        """Remove a snapshot of any kind. Its data is given back in the background.

        Raises:
            NotFound: There is no such snapshot.
            HasChildren: Others are built on it.
        """

    @abc.abstractmethod
    def walk(self, *filters: str) -> Iterator[Info]:
        """Every snapshot that matches any of the filters (all, where there is none), in byte order of the keys.

        The walk is no snapshot in time: what is added or removed meanwhile may be seen or not. Calling any
        other method from inside the loop is allowed. The iterator may be advanced by one thread after another, so
        that nothing in it may belong to a thread; it is closed where it is not taken to its end.

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised before anything is yielded.
            InvalidArgument: The filters are beyond a limit of `lamina.filters`. Raised as early.
        """

    def cleanup(self) -> None:
        """Give back now what removed snapshots and interrupted calls have left behind.

        Raises:
            Unimplemented: This snapshotter keeps nothing behind.
        """
        raise Unimplemented("snapshotter does not implement Cleanup method")

    def keyspace(self, name: str) -> Snapshotter:
        """The same snapshotter with a space of keys of its own: nothing in one is seen from another.

        The snapshotter itself is the keyspace with its plugin's id. Closing the snapshotter closes all.

        Raises:
            Unimplemented: This snapshotter has one space of keys only.
        """
        raise Unimplemented(f"keyspace {name!r}: this snapshotter has one space of keys only")

    def close(self) -> None:  # noqa: B027 - most snapshotters in memory or behind a socket hold nothing
        """Release what is held. Calling it again does nothing."""
