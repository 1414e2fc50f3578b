"""How much the filters of one request may hold: each record of a walk is compared with all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lamina.errdefs import InvalidArgument

MAX_BYTES: Final = 256 << 10
"""Bytes in all filters of a request. containerd sends keys in them: up to 32 KiB, four times that when quoted."""
MAX_FILTERS: Final = 64
"""Filters in a request."""
MAX_SELECTORS: Final = 1024
"""Selectors in all filters of a request."""
MAX_PATTERNS: Final = 64
"""Selectors with `~=` among them."""
MAX_PATTERN_BYTES: Final = 4 << 10
"""Bytes in the value of one."""
PATTERN_MEMORY: Final = 512 << 10
"""Bytes that RE2 may use for one: its program, and what it remembers of texts (`RE2::Options::max_mem`)."""
MAX_PATTERN_SECONDS: Final = 2.0
"""Seconds of processor time that all `~=` of a request may take, looked at between two searches. Where
`PATTERN_MEMORY` is not enough to remember states, RE2 takes time in proportion to the expression as well: up to
0.27 ms a byte, 8.9 s for a key of 32 KiB (`(a?…a?){1000}Z` with twelve `a?`). Usual ones take microseconds a
record. Other threads go on meanwhile."""

_SHOWN: Final = 64
"""Characters of a filter that an error shows on each side of the place."""


def check_size(expressions: Sequence[str]) -> None:
    """Check what can be told before the filters of a request are parsed.

    Raises:
        InvalidArgument: They are too many, or too long.
    """
    if len(expressions) > MAX_FILTERS:
        raise too_much("filters in a request", len(expressions), MAX_FILTERS)
    size = sum(len(expression.encode(errors="surrogatepass")) for expression in expressions)
    if size > MAX_BYTES:
        raise too_much("bytes of filters in a request", size, MAX_BYTES)


def too_much(what: str, found: int, limit: int) -> InvalidArgument:
    """The error for what is beyond a limit."""
    return InvalidArgument(f"filters: {found} {what}: at most {limit} are taken")


def start_of(text: str) -> str:
    """The start of a text, for a message."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def end_of(text: str) -> str:
    """The end of a text, for a message."""
    return text if len(text) <= _SHOWN else f"…{text[-_SHOWN:]}"
