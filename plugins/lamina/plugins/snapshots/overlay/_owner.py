"""Who owns the root directory of a snapshot."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lamina.errdefs import InvalidArgument
from lamina.mount import IdMap
from lamina.snapshots.labels import GID_MAPPING, UID_MAPPING


def owner_of_root(labels: Mapping[str, str], parent: str | None) -> tuple[int, int] | None:
    """The user and group that a new snapshot's root directory is given to.

    Args:
        labels: The snapshot's labels. Where one of the id mapping labels is there, the owner is whom the
            container's root is mapped to; a missing one of the two maps root to root.
        parent: The parent's root directory, whose owner is taken over otherwise.

    Returns:
        User and group id, or None where nobody needs to be given anything.

    Raises:
        InvalidArgument: A mapping label is malformed or does not map root.
    """
    if UID_MAPPING in labels or GID_MAPPING in labels:
        return _host_root(labels, UID_MAPPING), _host_root(labels, GID_MAPPING)
    if parent is None:
        return None
    status = os.stat(parent)
    return status.st_uid, status.st_gid


def _host_root(labels: Mapping[str, str], label: str) -> int:
    """The host id that id 0 of the container is mapped to."""
    text = labels.get(label)
    if text is None:
        return 0
    try:
        host = IdMap.parse(text).to_host(0)
    except InvalidArgument as error:
        raise InvalidArgument(f"label {label}={text}: {error}") from error
    if host is None:
        raise InvalidArgument(f"label {label}={text}: id 0 of the container is not mapped")
    return host
