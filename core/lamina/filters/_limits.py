"""Limits of the filters in one request. A walk compares each record with all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lamina.errdefs import InvalidArgument

MAX_BYTES: Final = 256 << 10
"""Bytes in all filters of a request. containerd sends keys of up to 32 KiB, and quoting can quadruple them."""
MAX_FILTERS: Final = 64
"""Filters in a request."""
MAX_SELECTORS: Final = 1024
"""Selectors in all filters of a request."""
MAX_PATTERNS: Final = 64
"""Selectors with `~=` in all filters of a request."""
MAX_PATTERN_BYTES: Final = 4 << 10
"""Bytes in the value of a `~=` selector."""
PATTERN_MEMORY: Final = 512 << 10
"""Bytes that RE2 may use per expression, for its program and its DFA cache (`RE2::Options::max_mem`)."""
MAX_PATTERN_WORK: Final = 8 << 20
"""Instructions of a regular expression, times the bytes of the value that it searches. If its DFA does not fit
into `PATTERN_MEMORY`, RE2 visits each instruction at each byte."""
MAX_PATTERN_SECONDS: Final = 2.0
"""Seconds of processor time for all `~=` of a request, checked between two searches, each of which takes some
0.1 s at most. RE2 releases the interpreter lock meanwhile."""

_SHOWN: Final = 64
"""Characters of a filter that an error shows on each side of the position."""


def check_size(expressions: Sequence[str]) -> None:
    """Check the number and the size of the filters of a request before parsing.

    Raises:
        InvalidArgument: There are too many filters, or they are too long.
    """
    if len(expressions) > MAX_FILTERS:
        raise limit_error("filters in a request", len(expressions), MAX_FILTERS)
    size = sum(len(expression.encode(errors="surrogatepass")) for expression in expressions)
    if size > MAX_BYTES:
        raise limit_error("bytes of filters in a request", size, MAX_BYTES)


def limit_error(what: str, found: int, limit: int) -> InvalidArgument:
    """Return the error for a limit that is exceeded."""
    return InvalidArgument(f"filters: {found} {what}: at most {limit} are allowed")


def head(text: str) -> str:
    """Return the beginning of a text, for a message."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def tail(text: str) -> str:
    """Return the end of a text, for a message."""
    return text if len(text) <= _SHOWN else f"…{text[-_SHOWN:]}"
