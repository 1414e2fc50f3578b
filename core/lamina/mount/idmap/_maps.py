"""Maps from a container's ids to the host's."""

from __future__ import annotations

from typing import Final, NamedTuple

from lamina.errdefs import InvalidArgument

LARGEST_ID: Final = 2**32 - 2
"""The largest user or group id: 2**32 - 1 stands for "no change" in chown(2)."""


class Extent(NamedTuple):
    """A range of ids: one line of /proc/PID/uid_map (user_namespaces(7))."""

    container: int
    """The first id in the container."""
    host: int
    """The first id on the host."""
    size: int
    """The number of consecutive ids."""


class IdMap(NamedTuple):
    """A map of ids. Ids that it does not contain have no counterpart."""

    extents: tuple[Extent, ...]

    @classmethod
    def parse(cls, text: str) -> IdMap:
        """Parse a map from mount options or labels: `container:host:size[,…]`, decimal numbers.

        Raises:
            InvalidArgument: The text is malformed, or a range is empty or exceeds `LARGEST_ID`.
        """
        return cls(tuple(map(_parse_extent, text.split(","))))

    def to_host(self, id_: int) -> int | None:
        """Return the id on the host for an id of the container, or None."""
        for extent in self.extents:
            if 0 <= id_ - extent.container < extent.size:
                return extent.host + id_ - extent.container
        return None

    def inverse(self) -> IdMap:
        """Return the map from the host's ids to the container's."""
        return IdMap(tuple(Extent(extent.host, extent.container, extent.size) for extent in self.extents))

    def __str__(self) -> str:
        """Format the map as `parse` reads it."""
        return ",".join(f"{extent.container}:{extent.host}:{extent.size}" for extent in self.extents)


class IdMaps(NamedTuple):
    """The maps of an id-mapped mount."""

    uids: IdMap
    gids: IdMap


def _parse_extent(text: str) -> Extent:
    fields = text.split(":")
    if len(fields) != 3 or not all(field.isascii() and field.isdecimal() for field in fields):
        raise InvalidArgument(f"id map: expected container:host:size[,…], found {text!r}")
    extent = Extent(*map(int, fields))
    if extent.size == 0:
        raise InvalidArgument(f"id map: a range has at least one id, found {text!r}")
    if max(extent.container, extent.host) + extent.size - 1 > LARGEST_ID:
        raise InvalidArgument(f"id map: ids must be at most {LARGEST_ID}, found {text!r}")
    return extent
