"""What filters on the command line ask for that there is not."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lamina.cli.options.settings import tell_warnings
from lamina.errdefs import nearest


def tell_unknown_fields(filters: Sequence[str], what: str, known: Collection[str]) -> None:
    """Tell on stderr the fields of filters that nothing has, which a host takes for absent.

    Args:
        filters: In the filter language.
        what: What is filtered: `snapshot`.
        known: The fields that it has, without those within them.

    Raises:
        FilterSyntaxError: A filter does not follow the grammar.
    """
    if not filters:
        return
    from lamina.filters import parse

    selectors = [selector for alternative in parse(*filters).alternatives for selector in alternative]
    for name in dict.fromkeys(selector.fieldpath[0] for selector in selectors):
        if name not in known:
            like = nearest(name, known)
            hint = f"did you mean {like}?" if like else f"there are {', '.join(known)}"
            tell_warnings([f"no {what} has a field {name}: {hint}"])
