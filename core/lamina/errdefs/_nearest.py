"""Suggestions for misspelt names."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to a name, or None if none is similar."""
    import difflib

    return next(iter(difflib.get_close_matches(name, sorted(known), n=1)), None)
