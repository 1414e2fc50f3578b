"""`Filter`, and how it comes from text."""

from __future__ import annotations

import attrs

from lamina.filters._parser import parse_selectors
from lamina.filters._selector import Fields, Selector


@attrs.frozen
class Filter:
    """A condition on an object's fields: any of the alternatives, of which each is all of its selectors."""

    alternatives: tuple[tuple[Selector, ...], ...]

    def match(self, fields: Fields) -> bool:
        """Whether an object is meant.

        Args:
            fields: Gives the value of a field by its path, None where the object has no such field.
        """
        return any(all(selector.match(fields) for selector in each) for each in self.alternatives)


def parse(*expressions: str) -> Filter:
    """The filter that matches what any of the expressions matches; everything, where there is none.

    A regular expression that does not compile is no error here: its selector logs a warning when it is first
    used, and matches nothing.

    Raises:
        FilterSyntaxError: One of them does not follow the grammar. The message shows where.
    """
    return Filter(tuple(map(parse_selectors, expressions)) or ((),))
