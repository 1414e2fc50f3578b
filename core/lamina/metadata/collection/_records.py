"""The results of a garbage collector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import attrs

Kind: TypeAlias = Literal["image", "lease", "snapshot", "blob", "ingest"]
"""The kind of a thing that is kept or removed."""


@attrs.frozen
class Removed:
    """A thing that was removed, or would be; or that stays although nothing refers to it (`error`, `young`)."""

    kind: Kind
    name: str
    """The name of an image, the id of a lease, the name of a snapshot, a digest, or the ref of an ingest."""
    namespace: str = ""
    """The namespace; "" for blobs and ingests, which all namespaces share."""
    snapshotter: str = ""
    """The id of the snapshotter that has the snapshot."""
    size: int = 0
    """Bytes that it occupied; 0 if that is not known."""
    reason: str = ""
    """The reason that it is not needed."""
    error: str = ""
    """The reason that it could not be removed; "" if it was."""
    young: bool = False
    """True if it stays for now, because it was made or changed a moment ago."""


@attrs.frozen
class ImageUsage:
    """The space that the blobs and snapshots of an image occupy, in bytes."""

    namespace: str
    name: str
    own_content: int = 0
    """That of blobs that nothing else needs."""
    shared_content: int = 0
    own_snapshots: int = 0
    """That of committed snapshots that nothing else needs."""
    shared_snapshots: int = 0

    @property
    def own(self) -> int:
        """Bytes that only this image needs."""
        return self.own_content + self.own_snapshots

    @property
    def shared(self) -> int:
        """Bytes that others need, too: images, leases, forks."""
        return self.shared_content + self.shared_snapshots


@attrs.frozen
class Usage:
    """The space that blobs and committed snapshots occupy, in bytes, each counted once."""

    images: Sequence[ImageUsage]
    content: int
    """That of all blobs."""
    snapshots: int
    """That of all committed snapshots in the keyspaces of images."""
    reclaimable: int
    """That of things to which nothing refers, however young."""
    failures: Sequence[str] = ()
    """The snapshotters whose snapshots are not known, and why; they are not counted."""

    @property
    def total(self) -> int:
        """Bytes of everything."""
        return self.content + self.snapshots


@attrs.frozen
class Step:
    """A step of a chain of references."""

    kind: Kind
    name: str
    namespace: str = ""
    """Empty for blobs that are needed in every namespace."""
    snapshotter: str = ""
    how: str = ""
    """The reference that leads here from the step before, or the reason why this is a root."""


Chain: TypeAlias = Sequence[Step]
"""References from a root to a thing, both included."""
