"""The error that parts of an archive raise, before it is known which entry they belong to."""

from __future__ import annotations


class Malformed(Exception):
    """A part of an archive is malformed; the message says how. `TarReader` adds the entry and the offset."""
