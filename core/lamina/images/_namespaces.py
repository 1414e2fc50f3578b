"""The namespaces of images, and the keyspaces of their snapshots."""

from __future__ import annotations

from typing import Final

from lamina.context import current

DEFAULT_NAMESPACE: Final = "default"
"""The namespace of calls that name none; that of containerd's clients."""


def current_namespace() -> str:
    """Return the namespace of the current call, or `DEFAULT_NAMESPACE`."""
    return current().namespace or DEFAULT_NAMESPACE


def keyspace_of(namespace: str) -> str:
    """Return the name of the keyspace in which a snapshotter keeps the snapshots of a namespace's images."""
    return f"images/{namespace}"
