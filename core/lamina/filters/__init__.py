"""containerd's filter language, which selects objects by the values of their fields.

The grammar and the error messages are containerd's::

    filter    = "" | selector { "," selector }
    selector  = fieldpath [ ( "==" | "!=" | "~=" ) value ]
    fieldpath = field { "." field }
    field     = letters, digits and "_", or "quoted"
    value     = bare text, or "quoted", or after "~=" also /quoted/ or |quoted|

A comma means *and*, and several filters mean *or*. An empty filter matches everything. A field path alone tests
whether the field is present. `~=` searches for an unanchored RE2 regular expression in time linear in the value.

Filters come from clients, so each request has limits: `MAX_BYTES`, `MAX_FILTERS`, `MAX_SELECTORS`, `MAX_PATTERNS`,
`MAX_PATTERN_BYTES` and, for processor time, `MAX_PATTERN_WORK` and `MAX_PATTERN_SECONDS`. Exceeding one raises an
`InvalidArgument` that names the limit.
"""

from lamina.filters._filter import Filter, parse
from lamina.filters._limits import (
    MAX_BYTES,
    MAX_FILTERS,
    MAX_PATTERN_BYTES,
    MAX_PATTERN_SECONDS,
    MAX_PATTERN_WORK,
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
    "MAX_PATTERN_WORK",
    "MAX_SELECTORS",
    "Fields",
    "Filter",
    "parse",
    "quote",
]
