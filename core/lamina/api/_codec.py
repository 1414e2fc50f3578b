"""Making and decoding messages, with lamina's errors."""

from __future__ import annotations

import reprlib
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from lamina.errdefs import InvalidArgument

M = TypeVar("M", bound=Message)


def encode(message_type: type[M], **fields: Any) -> M:
    """Make a message with the given fields.

    Raises:
        InvalidArgument: A string is not UTF-8 (it has lone surrogates), or a number is out of range.
    """
    try:
        return message_type(**fields)
    except UnicodeEncodeError as error:
        name = next((name for name, value in fields.items() if value == error.object), message_type.__name__)
        raise InvalidArgument(f"{name}: {reprlib.repr(error.object)} is not UTF-8 text") from error
    except ValueError as error:
        raise InvalidArgument(f"{message_type.__name__}: {error}") from error


def decode(message_type: type[M], data: bytes) -> M:
    """Decode a message. Unknown fields are kept and ignored.

    Raises:
        InvalidArgument: The data is truncated, or a string in it is not UTF-8.
    """
    try:
        return message_type.FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"malformed {message_type.__name__} of {len(data)} bytes: {error}") from error
