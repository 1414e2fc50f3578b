"""The host ids of a container's users and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from lamina.errdefs import InvalidArgument
from lamina.mount import IdMap
from lamina.snapshots.labels import GID_MAPPING, UID_MAPPING

IDENTITY: Final = "0:0:4294967295"
"""The map from every id to itself."""


class ContainerIds(NamedTuple):
    """The id mappings that the labels of a snapshot request."""

    uids: IdMap
    gids: IdMap
    root: tuple[int, int]
    """The host user and group of the container's root."""

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> ContainerIds | None:
        """Parse the id mapping labels of a snapshot; return None if it has none.

        If one of the two labels is missing, those ids are mapped to themselves.

        Raises:
            InvalidArgument: A label is malformed or does not map root.
        """
        if UID_MAPPING not in labels and GID_MAPPING not in labels:
            return None
        (uids, user), (gids, group) = _parse(labels, UID_MAPPING), _parse(labels, GID_MAPPING)
        return cls(uids, gids, (user, group))


def _parse(labels: Mapping[str, str], label: str) -> tuple[IdMap, int]:
    """Return the map of a label, and the host id of the container's id 0."""
    text = labels.get(label, IDENTITY)
    try:
        ids = IdMap.parse(text)
    except InvalidArgument as error:
        raise InvalidArgument(f"label {label}={text}: {error}") from error
    root = ids.to_host(0)
    if root is None:
        raise InvalidArgument(f"label {label}={text}: id 0 of the container is not mapped")
    return ids, root
