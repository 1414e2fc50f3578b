"""Statuses of calls that failed."""

from __future__ import annotations

import logging
from typing import Final

from lamina.context import CallContext
from lamina.errdefs import Code, Error, ResourceExhausted, to_status

_log = logging.getLogger(__name__)

MAX_DETAILS: Final = 2048
"""Bytes in a status message. Headers escape each byte as up to three, and clients accept 8 KiB of headers."""


def status_of(error: BaseException) -> tuple[Code, str]:
    """Return the gRPC code and message of an error.

    A message too long for a header loses its middle, because its end names the class of the error.
    """
    code, message = to_status(error)
    data = message.encode(errors="backslashreplace")
    if len(data) > MAX_DETAILS:
        data = b"%b ... %b" % (data[: MAX_DETAILS // 2], data[-MAX_DETAILS // 2 :])
    return code, data.decode(errors="ignore")


def log_unexpected(error: BaseException, path: str, context: CallContext) -> None:
    """Log an error that no handler raises on purpose, since its client sees no traceback."""
    if not isinstance(error, Error):
        fields = {"method": path, "trace_id": context.trace_id}
        _log.error("a call failed unexpectedly", extra=fields, exc_info=error)


def refusal() -> ResourceExhausted:
    """Return the error for a call beyond the limits."""
    return ResourceExhausted("too many calls wait for an answer: try again later")
