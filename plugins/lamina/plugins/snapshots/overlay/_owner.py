"""The owners that a snapshot is to have on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from lamina.errdefs import InvalidArgument
from lamina.mount import IdMap
from lamina.snapshots.labels import GID_MAPPING, UID_MAPPING

IDENTITY: Final = "0:0:4294967295"
"""The map in which every id stands for itself."""


@attrs.frozen
class Owners:
    """Which ids of the host those of a container are."""

    uids: IdMap
    gids: IdMap
    root: tuple[int, int]
    """The user and group that are the container's root."""

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Owners | None:
        """The owners that the id mapping labels of a snapshot ask for; None where there are none.

        If one of the two labels is missing, those ids are the same on the host.

        Raises:
            InvalidArgument: A mapping label is malformed or does not map root.
        """
        if UID_MAPPING not in labels and GID_MAPPING not in labels:
            return None
        (uids, user), (gids, group) = _mapping(labels, UID_MAPPING), _mapping(labels, GID_MAPPING)
        return cls(uids, gids, (user, group))


def _mapping(labels: Mapping[str, str], label: str) -> tuple[IdMap, int]:
    """A map, and the host id that id 0 of the container is mapped to."""
    text = labels.get(label, IDENTITY)
    try:
        ids = IdMap.parse(text)
    except InvalidArgument as error:
        raise InvalidArgument(f"label {label}={text}: {error}") from error
    root = ids.to_host(0)
    if root is None:
        raise InvalidArgument(f"label {label}={text}: id 0 of the container is not mapped")
    return ids, root
