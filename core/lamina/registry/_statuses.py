"""Statuses of HTTP."""

from __future__ import annotations

from typing import Final

FINAL: Final = frozenset(range(200, 500)) - {408, 429}
"""Statuses that will not be others at the next attempt."""
