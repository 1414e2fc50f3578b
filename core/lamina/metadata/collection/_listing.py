"""The roots of the graph, and the references that must be read before it can be followed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from lamina.context import current
from lamina.errdefs import Error, message
from lamina.metadata._batches import batches
from lamina.metadata._leases import resource_node
from lamina.metadata._node import EVERY, LEASE, Node, blob, image, snapshot
from lamina.metadata._references import FLAT, ROOT, back_references, is_root, references, refers
from lamina.metadata.collection._expiry import is_expired
from lamina.metadata.collection._sources import Sources, keyspace_in
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.snapshots.temporary import LABEL, Owner

STEP: Final = 256
"""Entries that are read between two steps."""
_COLLECTED: Final = "containerd.io/gc."
"""The beginning of all labels that mean something to a collector."""
_NONE: Final[Mapping[str, str]] = {}


class Listed(NamedTuple):
    """A snapshot, as it was listed."""

    parent: str
    labels: Mapping[str, str]
    """The labels that mean something to a collector."""
    is_committed: bool
    is_abandoned: bool
    """True if it is temporary and its owner has ended."""
    changed: int
    """The time of its last change, in nanoseconds since 1970."""


class Keyspace(NamedTuple):
    """The snapshots of a namespace that one snapshotter keeps."""

    namespace: str
    name: str
    """The id of the snapshotter."""
    snapshotter: Snapshotter
    snapshots: dict[str, Listed]


class Root(NamedTuple):
    """A thing that is kept for its own sake."""

    node: Node
    how: str
    by: Node | None = None
    """The lease that keeps it, or the snapshot of a snapshotter that is not used."""
    flat: bool = False
    """True if what its labels refer to is not kept."""


class Listing:
    """Reads the roots, the back references and the snapshots, in short steps."""

    def __init__(self, sources: Sources, *, keeps_expired: bool = False) -> None:
        """Read nothing yet; see `read`.

        Args:
            sources: The metadata, the content store and the snapshotters to read.
            keeps_expired: Whether images and leases that have expired stay, and are roots like the others.
        """
        self._sources = sources
        self._keeps_expired = keeps_expired
        self._owner = Owner()
        self.namespaces: Sequence[str] = sources.namespaces
        self.roots: list[Root] = []
        self.expired: list[Node] = []
        """Images and leases that have expired, if they do not stay."""
        self.referring: list[Node] = []
        """The blobs with labels that refer to others."""
        self.keyspaces: dict[tuple[str, str], Keyspace] = {}
        self.failures: list[tuple[str, str, str]] = []
        """The namespace, the snapshotter and the error for each keyspace that could not be listed."""
        self._back: dict[Node, list[tuple[str, Node]]] = defaultdict(list)

    def read(self) -> Iterator[None]:
        """Read everything. The snapshots come last: a reference that moves from an image to one is met."""
        for namespace in self.namespaces:
            yield from self._read_images(namespace)
            yield from self._read_leases(namespace)
        yield from self._read_labels()
        yield from self._read_snapshots()

    def kept_by(self, node: Node) -> Iterator[tuple[str, Node]]:
        """Yield the things that live as long as a thing, with the labels that say so."""
        yield from self._back.get(node, ())
        if node.namespace == EVERY:
            for namespace in self.namespaces:
                yield from self._back.get(node._replace(namespace=namespace), ())
        else:
            for label, other in self._back.get(node._replace(namespace=EVERY), ()):
                yield label, other._replace(namespace=node.namespace)

    def described_failures(self) -> list[str]:
        """Return the failures, each error once and with its snapshotter."""
        return list(
            dict.fromkeys(f"snapshotter {name}: {error}" if name else error for _, name, error in self.failures)
        )

    def _read_images(self, namespace: str) -> Iterator[None]:
        for batch in batches(self._sources.metadata.images(namespace).list(), STEP):
            for one in batch:
                node = image(namespace, one.name)
                if self._has_expired(one.labels):
                    self.expired.append(node)
                    self._note_back_references(node, one.labels)
                else:
                    self.roots.append(Root(node, "image"))
            yield

    def _read_leases(self, namespace: str) -> Iterator[None]:
        leases = self._sources.metadata.leases(namespace)
        for lease in leases.list():
            node = Node(LEASE, namespace, lease.id)
            if self._has_expired(lease.labels):
                self.expired.append(node)
                continue
            for batch in batches(leases.resources_of(lease.id), STEP):
                for resource in batch:
                    if target := resource_node(resource, namespace):
                        self.roots.append(Root(target, "resource", node, FLAT in lease.labels))
                yield
            yield

    def _read_labels(self) -> Iterator[None]:
        for batch in batches(self._sources.metadata.labels.walk(), STEP):
            for digest, labels in batch:
                node = blob(digest)
                if is_root(labels):
                    self.roots.append(Root(node, f"label {_root_label(labels)}"))
                if refers(labels):
                    self.referring.append(node)
                self._note_back_references(node, labels)
            yield

    def _has_expired(self, labels: Mapping[str, str]) -> bool:
        return not self._keeps_expired and is_expired(labels, time.time())

    def _read_snapshots(self) -> Iterator[None]:
        try:
            for name, snapshotter in self._sources.snapshotters():
                for namespace in self.namespaces:
                    yield from self._read_keyspace(namespace, name, snapshotter)
                    if self._sources.answers.is_silent(name):
                        break
            for name, namespace, info in self._sources.unused():
                by = snapshot(namespace, name, info.name)
                for label, node in references(info.labels, namespace):
                    self.roots.append(Root(node, f"label {label}", by))
        except Error as error:  # of the iterable: there are others
            current().check()
            self.failures.append(("", "", str(error)))

    def _read_keyspace(self, namespace: str, name: str, snapshotter: Snapshotter) -> Iterator[None]:
        images = keyspace_in(snapshotter, namespace)
        if images is None:
            return
        keyspace = Keyspace(namespace, name, images, {})
        try:
            for batch in self._sources.answers.read(name, lambda: batches(images.walk(), STEP)):
                for info in batch:
                    self._note(keyspace, info)
                yield
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a failing snapshotter does not keep the rest from going on
            current().check()
            self.failures.append((namespace, name, message(error) or type(error).__name__))
        else:
            self.keyspaces[namespace, name] = keyspace

    def _note(self, keyspace: Keyspace, info: Info) -> None:
        labels = {key: value for key, value in info.labels.items() if key.startswith(_COLLECTED)} or _NONE
        is_committed = info.kind is Kind.COMMITTED
        owner = info.labels.get(LABEL, "")
        is_abandoned = not is_committed and bool(owner) and self._owner.is_abandoned(info.name, owner)
        changed = max(info.created, info.updated)
        keyspace.snapshots[info.name] = Listed(info.parent, labels, is_committed, is_abandoned, changed)
        node = snapshot(keyspace.namespace, keyspace.name, info.name)
        if is_root(labels):
            self.roots.append(Root(node, f"label {_root_label(labels)}"))
        elif not is_committed and not is_abandoned:
            self.roots.append(Root(node, "view" if info.kind is Kind.VIEW else "active snapshot"))
        self._note_back_references(node, labels)

    def _note_back_references(self, node: Node, labels: Mapping[str, str]) -> None:
        for label, other in back_references(labels, node.namespace):
            self._back[other].append((f"label {label}", node))


def _root_label(labels: Mapping[str, str]) -> str:
    return next(key for key in labels if key.startswith(ROOT))
