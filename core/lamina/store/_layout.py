"""The keys of entries that describe the whole store."""

from __future__ import annotations

from typing import Final

UUID: Final = b"muuid"
SCHEMA: Final = b"mschema"
"""The schema version, without a checksum: every version of lamina reads it."""
VERSION: Final = b"mversion"
"""The same with a checksum."""
