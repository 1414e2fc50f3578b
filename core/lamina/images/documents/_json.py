"""JSON that is not trusted: bounded, strict, and with one meaning."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from lamina.content import Descriptor
from lamina.errdefs import InvalidArgument
from lamina.images.documents._fields import Fields

MAX_BYTES: Final = 8 << 20
"""Maximum size of a document in bytes, as in containerd."""
MAX_VALUES: Final = 100_000
"""Maximum number of values of a document, counted by its commas and brackets, even those inside strings. A value
takes up to 250 bytes of memory."""
MAX_DEPTH: Final = 64
"""Maximum depth of nested objects and arrays."""


def describe(data: bytes, media_type: str) -> Descriptor:
    """Return the descriptor of a document."""
    from hashlib import sha256

    return Descriptor(media_type, f"sha256:{sha256(data).hexdigest()}", len(data))


def decode(data: bytes, descriptor: Descriptor, kind: str, types: Collection[str]) -> Fields:
    """Verify a document, and return its members.

    Args:
        data: The whole document.
        descriptor: Its expected descriptor.
        kind: The kind of document, for messages.
        types: The media types that it may have.

    Raises:
        InvalidArgument: It is not what the descriptor says, or is not a JSON object.
    """
    where = f"{kind} {descriptor.digest}"
    if descriptor.media_type not in types:
        raise InvalidArgument(
            f"{where}: media type {descriptor.media_type[:80]!r} is not that of {_article(kind)}"
        )
    found = describe(data, descriptor.media_type)
    if found.size != descriptor.size:
        raise InvalidArgument(f"{where}: {found.size} bytes where its descriptor says {descriptor.size}")
    if found.digest != descriptor.digest:
        raise InvalidArgument(f"{where}: its content has the digest {found.digest}")
    fields = Fields.of(parse_json(data, where), where)
    said = fields.optional_text("mediaType")
    if said and said != descriptor.media_type:
        raise InvalidArgument(
            f"{where}: its media type is {said[:80]!r}, its descriptor's {descriptor.media_type!r}"
        )
    return fields


def parse_json(data: bytes, where: str) -> object:
    """Decode JSON, within `MAX_BYTES`, `MAX_VALUES` and `MAX_DEPTH`.

    Raises:
        InvalidArgument: It exceeds a limit, is malformed, or has duplicate keys.
    """
    if len(data) > MAX_BYTES:
        raise InvalidArgument(f"{where}: {len(data)} bytes: at most {MAX_BYTES} are allowed")
    values = sum(data.count(mark) for mark in (b",", b"[", b"{"))
    if values > MAX_VALUES:
        raise InvalidArgument(f"{where}: about {values} values: at most {MAX_VALUES} are allowed")
    try:
        text = data.decode()
        value: object = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        if "\\u" in text:  # half of a surrogate pair is not text, and could not be stored
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError as error:  # JSON, UTF-8, a number of too many digits
        raise InvalidArgument(f"{where}: not valid JSON: {str(error)[:200]}") from None
    if _depth(value) > MAX_DEPTH:
        raise _too_deep(where)
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _too_deep(where: str) -> InvalidArgument:
    return InvalidArgument(f"{where}: nested more than {MAX_DEPTH} deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has a key twice")
    return members


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
