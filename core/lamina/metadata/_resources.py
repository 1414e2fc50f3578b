"""Leases, and the resources that they keep."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Lease:
    """Keeps its resources from being collected. `created` is in nanoseconds since 1970, UTC."""

    id: str
    labels: Mapping[str, str] = attrs.field(factory=dict)
    """`containerd.io/gc.expire`, a time in the form of RFC 3339, ends the lease; with `containerd.io/gc.flat`,
    resources do not keep what their labels refer to."""
    created: int = 0


@attrs.frozen
class Resource:
    """A thing that a lease keeps. It need not be there."""

    type: str
    """`content`, `ingests`, `images` or `snapshots/<snapshotter>`."""
    id: str
    """A digest, a ref, the name of an image, or the key of a snapshot."""
