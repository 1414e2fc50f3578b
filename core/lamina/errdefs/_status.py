"""Conversion between error classes and gRPC statuses."""

from __future__ import annotations

from lamina.errdefs import _classes
from lamina.errdefs._classes import Code, Error, describe, message

_BY_CODE: dict[int, type[Error]] = {cls.code: cls for cls in reversed(Error.__subclasses__())}
"""The class of each code: of several with one code, the first that is defined (see `from_status`)."""


def to_status(error: BaseException) -> tuple[Code, str]:
    """Return the gRPC code and message of an error, in containerd's form `<message>: <class text>`.

    Args:
        error: Any exception. An exception that is not lamina's becomes UNKNOWN with its class name and text.
    """
    if not isinstance(error, Error):
        return Code.UNKNOWN, describe(error)
    own = message(error)
    if error.code is Code.UNKNOWN and error.text == "unknown":
        return error.code, own
    if not own:
        return error.code, error.text
    return error.code, own if own.endswith(f": {error.text}") else f"{own}: {error.text}"


def from_status(code: int, message: str) -> Error:
    """Return the error of a gRPC status, without the class text at the end of the message.

    Args:
        code: The numeric gRPC code. Other codes than those of `Code` become `Unknown`.
        message: The status message.
    """
    cls = _BY_CODE.get(code, _classes.Unknown)
    if code == Code.FAILED_PRECONDITION:
        for candidate in (_classes.Conflict, _classes.NotModified):
            if message == candidate.text or message.endswith(f": {candidate.text}"):
                cls = candidate
    if message == cls.text:
        return cls("")
    return cls(message.removesuffix(f": {cls.text}"))
