"""The filter language: which of many objects a caller means.

The grammar and its errors are containerd's::

    filter    = "" | selector { "," selector }
    selector  = fieldpath [ ( "==" | "!=" | "~=" ) value ]
    fieldpath = field { "." field }
    field     = letters, digits and "_", or "quoted"
    value     = bare text, or "quoted", or after "~=" also /quoted/ or |quoted|

A comma is *and*; several filters are *or*; an empty filter matches everything. A field path alone asks for
the field's presence. `~=` searches for an RE2 regular expression, unanchored, in time linear in the value.

Filters come from clients, so that each request has a budget: `MAX_BYTES`, `MAX_FILTERS`, `MAX_SELECTORS`,
`MAX_PATTERNS`, `MAX_PATTERN_BYTES` and, of processor time, `MAX_PATTERN_SECONDS`. What is beyond is an
`InvalidArgument` that names the limit.
"""

from lamina.filters._filter import Filter, parse
from lamina.filters._limits import (
    MAX_BYTES,
    MAX_FILTERS,
    MAX_PATTERN_BYTES,
    MAX_PATTERN_SECONDS,
    MAX_PATTERNS,
    MAX_SELECTORS,
)
from lamina.filters._quoting import quote
from lamina.filters._selector import Fields

__all__ = [
    "MAX_BYTES",
    "MAX_FILTERS",
    "MAX_PATTERNS",
    "MAX_PATTERN_BYTES",
    "MAX_PATTERN_SECONDS",
    "MAX_SELECTORS",
    "Fields",
    "Filter",
    "parse",
    "quote",
]
