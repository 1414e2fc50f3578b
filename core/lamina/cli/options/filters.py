"""Warnings about unknown fields in filters."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lamina.cli.options.settings import print_warnings
from lamina.errdefs import nearest


def warn_unknown_fields(filters: Sequence[str], what: str, known: Collection[str]) -> None:
    """Warn on stderr about fields that no object has. The host treats them as absent.

    Args:
        filters: Filters in containerd's filter language.
        what: The kind of object: `snapshot`.
        known: Its fields, without nested ones.

    Raises:
        FilterSyntaxError: A filter is malformed.
    """
    if not filters:
        return
    from lamina.filters import parse

    selectors = [selector for alternative in parse(*filters).alternatives for selector in alternative]
    for name in dict.fromkeys(selector.fieldpath[0] for selector in selectors):
        if name not in known:
            like = nearest(name, known)
            hint = f"did you mean {like}?" if like else f"known are {', '.join(known)}"
            print_warnings([f"unknown {what} field {name}: {hint}"])
