"""What is sent over the socket of a worker: JSON objects, one a packet.

The packet of a request carries the descriptors of the blob, the root directory and, if there is one, the parent.
The worker answers with any number of `Working` and one of the others. Packets cannot make the owner execute
anything: a worker reads archives from anywhere.
"""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias

import attrs

from lamina.layers.applying import Applied, Limits, Whiteouts

LARGEST: Final = 64 << 10
"""Bytes of the largest packet."""
_LONGEST_TEXT: Final = 8 << 10


@attrs.frozen
class Request:
    """A layer to apply."""

    offset: int
    size: int
    whiteouts: Whiteouts
    limits: Limits

    def encode(self) -> bytes:
        """Return the packet."""
        return json.dumps(attrs.asdict(self) | {"whiteouts": self.whiteouts.value}).encode()

    @classmethod
    def decode(cls, packet: bytes) -> Request:
        """Return the request of a packet."""
        fields = json.loads(packet)
        limits, whiteouts = Limits(**fields.pop("limits")), Whiteouts(fields.pop("whiteouts"))
        return cls(limits=limits, whiteouts=whiteouts, **fields)


@attrs.frozen
class Working:
    """The progress of the worker."""

    done: int
    """Bytes of the blob."""


@attrs.frozen
class Failed:
    """The layer was not applied."""

    code: int
    """The gRPC code of the error."""
    text: str


@attrs.frozen
class NeedsParent:
    """The layer cannot be applied without its parent."""

    text: str


Answer: TypeAlias = Working | Applied | Failed | NeedsParent
_KINDS: Final[dict[str, type[Any]]] = {cls.__name__: cls for cls in (Working, Applied, Failed, NeedsParent)}


def encode_answer(answer: Answer) -> bytes:
    """Return the packet of an answer."""
    fields = attrs.asdict(answer)
    if "text" in fields:
        fields["text"] = fields["text"][:_LONGEST_TEXT]
    return json.dumps([type(answer).__name__, fields]).encode()


def decode_answer(packet: bytes) -> Answer:
    """Return the answer of a packet.

    Raises:
        ValueError, TypeError, KeyError: The packet is malformed.
    """
    kind, fields = json.loads(packet)
    if fields.get("root"):
        fields["root"] = tuple(fields["root"])
    answer: Answer = _KINDS[kind](**fields)
    return answer
