"""Headers that say something about the one after them: pax's extended headers, and GNU's long names."""

from __future__ import annotations

from typing import Final

import attrs

from lamina.layers._entry import Entry
from lamina.layers.tar._header import text
from lamina.layers.tar._malformed import Malformed
from lamina.layers.tar._pax import SPARSE_KEYS, Records, apply_records, check_name, parse_records

MAX_BYTES: Final = 1 << 20
"""Bytes of such a header's data. Go's `archive/tar`, and so containerd, has the same limit."""
_PAX, _SOLARIS, _GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"X", b"g", b"L", b"K"
EXTENSIONS: Final = frozenset({_PAX, _SOLARIS, _GLOBAL, _LONG_NAME, _LONG_LINK})
"""The types of such headers."""
_FRAMING: Final = frozenset({b"path", b"linkpath", b"size", *SPARSE_KEYS})
"""Records that a global header must not have. Go's `archive/tar` ignores them there and GNU tar applies them, so
that one archive would be two trees."""


@attrs.define(eq=False)
class Extensions:
    """The properties of an entry that extended headers before it set."""

    records: Records = attrs.field(factory=dict)
    """The records of the last extended header."""
    _name: bytes = b""
    _link: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.records or self._name or self._link)

    @property
    def name(self) -> bytes:
        """The path of the entry, or b"" if they do not say."""
        return self._name or self.records.get(b"GNU.sparse.name", b"") or self.records.get(b"path", b"")

    def add(self, flag: bytes, data: bytes) -> None:
        """Read the data of a header.

        Raises:
            Malformed: The data is malformed, or a global header is misplaced or has a forbidden record.
        """
        if flag == _LONG_NAME:
            self._name = check_name(text(data), "path")
        elif flag == _LONG_LINK:
            self._link = check_name(text(data), "target of the link")
        elif flag == _GLOBAL:
            self._check_global(parse_records(data))
        else:
            self.records = parse_records(data)

    def apply(self, entry: Entry) -> None:
        """Change an entry as the headers say. GNU's long names override those of pax, as in Go's `archive/tar`.

        Raises:
            Malformed: A record is malformed.
        """
        apply_records(entry, self.records)
        entry.name = self._name or entry.name
        entry.link = self._link or entry.link

    def _check_global(self, records: Records) -> None:
        """Refuse global headers by which programs read different trees from one archive."""
        if self:
            raise Malformed("a global extended header lies between an extended header and its entry")
        for key in _FRAMING.intersection(records):
            raise Malformed(f"a global extended header has the record {key!r}, which is only for single entries")
