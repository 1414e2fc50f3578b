"""The messages on the socket of a worker, one per packet.

The owner sends a request with its descriptors. The worker answers with any number of `Working` and `Output`, and
one of the others. All are JSON arrays, `[KIND, FIELDS]`, except `Output`, which is raw bytes after a NUL. Packets
cannot make the owner execute anything: a worker reads archives from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

import attrs

from lamina.layers._written import WrittenLayer
from lamina.layers.applying import Applied, Limits, Whiteouts
from lamina.layers.compression import Compression

LARGEST: Final = 64 << 10
"""Bytes of the largest packet."""
MOST_FDS: Final = 253
"""Descriptors that one packet can carry (unix(7), SCM_MAX_FD)."""
_OUTPUT: Final = b"\0"
_LONGEST_TEXT: Final = 8 << 10


@attrs.frozen
class ApplyRequest:
    """A layer to apply. Its descriptors are the blob, the root directory and, if there is one, the parent's."""

    doing: ClassVar = "applied a layer"
    offset: int
    size: int
    whiteouts: Whiteouts
    limits: Limits


@attrs.frozen
class CompareRequest:
    """Trees to compare. Its descriptors are those of `Trees`: the later one, the earlier one, and the layers."""

    doing: ClassVar = "compared trees"
    has_lower: bool
    has_layers: bool
    compression: Compression
    source_date_epoch: int | None


Request: TypeAlias = ApplyRequest | CompareRequest


@attrs.frozen
class Working:
    """The progress of the worker."""

    done: int
    """Bytes of the blob, or of the files of a tree."""


@attrs.frozen(eq=False)
class Output:
    """The next bytes of the layer that is being written."""

    data: memoryview


@attrs.frozen
class Failed:
    """The request failed."""

    code: int
    """The gRPC code of the error."""
    text: str


@attrs.frozen
class NeedsParent:
    """The layer cannot be applied without its parent."""

    text: str


Result: TypeAlias = Applied | WrittenLayer | Failed | NeedsParent
Answer: TypeAlias = Working | Output | Result
_KINDS: Final[dict[str, type[Any]]] = {
    cls.__name__: cls
    for cls in (ApplyRequest, CompareRequest, Working, Applied, WrittenLayer, Failed, NeedsParent)
}
_DECODERS: Final[dict[str, Callable[[Any], object]]] = {
    "whiteouts": Whiteouts,
    "limits": lambda fields: Limits(**fields),
    "compression": Compression,
    "root": lambda attributes: attributes and tuple(attributes),
}
"""Functions that decode the fields whose types JSON does not have."""


def encode(message: Request | Working | Result) -> bytes:
    """Return the packet of a message."""
    fields = attrs.asdict(message, value_serializer=lambda _, __, value: getattr(value, "value", value))
    if "text" in fields:
        fields["text"] = fields["text"][:_LONGEST_TEXT]
    return json.dumps([type(message).__name__, fields]).encode()


def encode_output(data: memoryview) -> list[bytes | memoryview]:
    """Return the parts of the packet of the next bytes of a layer, fewer than `LARGEST`."""
    return [_OUTPUT, data]


def decode_request(packet: bytes) -> Request:
    """Return the request of a packet."""
    request: Request = _decode(packet)
    return request


def decode_answer(packet: bytes) -> Answer:
    """Return the answer of a packet.

    Raises:
        ValueError, TypeError, KeyError: The packet is malformed.
    """
    if packet.startswith(_OUTPUT):
        return Output(memoryview(packet)[len(_OUTPUT) :])
    answer: Answer = _decode(packet)
    return answer


def _decode(packet: bytes) -> Any:
    kind, fields = json.loads(packet)
    decoded = {name: _DECODERS[name](value) if name in _DECODERS else value for name, value in fields.items()}
    return _KINDS[kind](**decoded)
