"""The hint in a message about a name that nobody has."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like a name, if any is much like it."""
    import difflib

    return next(iter(difflib.get_close_matches(name, sorted(known), n=1)), None)
