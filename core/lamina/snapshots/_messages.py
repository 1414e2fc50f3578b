"""Infos in the form in which they are sent."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Final

_SHORT: Final = tuple(bytes((number,)) for number in range(0x80))


class InfoMessages(abc.ABC):
    """What a snapshotter may offer besides the contract, to a service that passes on what it is told.

    An info is here the bytes of a `containerd.services.snapshots.v1.Info` message, and costs no object.
    """

    @abc.abstractmethod
    def stat_message(self, key: str) -> bytes:
        """As `Snapshotter.stat`."""

    @abc.abstractmethod
    def walk_messages(self, *filters: str) -> Iterator[bytes]:
        """As `Snapshotter.walk`."""


def varint(number: int) -> bytes:
    """A number of up to 64 bits as protobuf writes it: seven bits in a byte, the lowest first.

    https://protobuf.dev/programming-guides/encoding/
    """
    if number < 0x80:
        return _SHORT[number]
    if 1 << 28 <= number < 1 << 35:  # most nanoseconds, and all seconds for a thousand years
        low, high = number & 0xFFFFFFF, number >> 28
        spread = low & 0x7F | (low & 0x3F80) << 1 | (low & 0x1FC000) << 2 | (low & 0xFE00000) << 3
        return (spread | 0x80808080 | high << 32).to_bytes(5, "little")
    encoded = []
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
