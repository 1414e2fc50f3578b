"""The namespaces of images, and the keyspaces of their snapshots."""

from __future__ import annotations

import re
from typing import Final

from lamina.context import current
from lamina.errdefs import InvalidArgument

NAMESPACE_LIMIT: Final = 76
"""Maximum number of characters of a namespace (containerd's `identifiers`)."""
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
_KEYSPACES: Final = "images/"
DEFAULT_NAMESPACE: Final = "default"
"""The namespace of calls that name none; that of containerd's clients."""


def check_namespace(namespace: str) -> str:
    """Return the namespace unchanged if it is valid by the rules of containerd's identifiers.

    Raises:
        InvalidArgument: It is empty, longer than `NAMESPACE_LIMIT`, or not letters and digits with single `.`, `_`
            or `-` between them.
    """
    if len(namespace) > NAMESPACE_LIMIT or not _NAMESPACE.fullmatch(namespace):
        raise InvalidArgument(
            f"namespace {namespace[: NAMESPACE_LIMIT + 1]!r}: expected 1 to {NAMESPACE_LIMIT} letters and digits, "
            "with single '.', '_' or '-' between them"
        )
    return namespace


def current_namespace() -> str:
    """Return the namespace of the current call, or `DEFAULT_NAMESPACE`."""
    return current().namespace or DEFAULT_NAMESPACE


def keyspace_of(namespace: str) -> str:
    """Return the name of the keyspace in which a snapshotter keeps the snapshots of a namespace's images."""
    return f"{_KEYSPACES}{namespace}"


def namespace_of(keyspace: str) -> str:
    """Return the namespace whose images have their snapshots in a keyspace; "" if none has."""
    namespace = keyspace.removeprefix(_KEYSPACES)
    return namespace if namespace != keyspace and _NAMESPACE.fullmatch(namespace) else ""
