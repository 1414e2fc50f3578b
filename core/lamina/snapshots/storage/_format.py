"""The format of records, for code that runs without the rest of lamina (`_fsck`)."""

from __future__ import annotations

import struct
from typing import Final

from lamina.store._format import DATABASE_KEY_LIMIT

DIGEST: Final = 32
"""Bytes of a SHA-256 digest."""
SHARED: Final = DATABASE_KEY_LIMIT - DIGEST
"""Leading bytes of a long key that its database key keeps."""

HEAD: Final = struct.Struct(">BQIIqIqIqqIIII")
"""The head of a record, before parent ids and message: kind, id, number of parents, length of the message; created
and updated (seconds, nanoseconds: Go's zero time does not fit in 64 bits of nanoseconds); size, inodes; the offset
of the name in the message, the lengths of name and parent, and the offset of the labels."""

UPDATED: Final = slice(29, 41)
"""The place of the update time in a record. Its bytes compare like the times."""
