"""The stores that a collection works with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import attrs

from lamina.content import ContentStore
from lamina.errdefs import Unimplemented
from lamina.images import DEFAULT_NAMESPACE, keyspace_of
from lamina.metadata._metadata import Metadata
from lamina.metadata.collection._answers import Answers
from lamina.snapshots import Info, Snapshotter

if TYPE_CHECKING:
    from lamina.metadata._protection import Protection


@attrs.frozen(eq=False)
class Sources:
    """The stores from which a collector removes things."""

    metadata: Metadata
    content: ContentStore
    snapshotters: Callable[[], Iterable[tuple[str, Snapshotter]]]
    further_namespaces: Callable[[], Iterable[str]] = tuple
    """Returns namespaces that the metadata may not know."""
    unused: Callable[[], Iterable[tuple[str, str, Info]]] = tuple
    """Returns the snapshots in snapshotters that are not used, with the id of each and the namespace."""
    answers: Answers = attrs.field(factory=Answers)

    @property
    def namespaces(self) -> Sequence[str]:
        """All namespaces that may have something, in alphabetical order.

        There is always one: what a blob refers to is looked up in each.
        """
        return sorted({DEFAULT_NAMESPACE, *self.metadata.namespaces(), *self.further_namespaces()})

    @property
    def protection(self) -> Protection:
        """Everything that must not be removed now."""
        return self.metadata.protection

    @property
    def collects_content(self) -> bool:
        """True if blobs can be collected: only with labels in the metadata, which say what is needed."""
        return self.content.labels is self.metadata.labels


def keyspace_in(snapshotter: Snapshotter, namespace: str) -> Snapshotter | None:
    """Return a snapshotter with the snapshots of a namespace's images, which are all that may be collected.

    None if it has only one keyspace: everything in it belongs to others.
    """
    try:
        return snapshotter.keyspace(keyspace_of(namespace))
    except Unimplemented:
        return None
