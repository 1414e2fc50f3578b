"""`Filter`, and how it comes from text."""

from __future__ import annotations

import itertools

import attrs

from lamina.context import current
from lamina.filters._limits import MAX_PATTERNS, MAX_SELECTORS, check_size, too_much
from lamina.filters._parser import parse_selectors
from lamina.filters._selector import Fields, Operator, Selector


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

    A regular expression that does not compile is no error: it is logged, and its selector matches nothing.

    Raises:
        FilterSyntaxError: One of them does not follow the grammar. The message shows where.
        InvalidArgument: They are beyond a limit of this package. The message names it.
        Canceled, DeadlineExceeded: The call at hand is not wanted any more.
    """
    check_size(expressions)
    selectors = patterns = 0
    alternatives = []
    for expression in expressions:
        alternative = parse_selectors(expression, MAX_SELECTORS - selectors)
        selectors += len(alternative)
        patterns += sum(selector.operator is Operator.MATCHES for selector in alternative)
        alternatives.append(alternative)
    if patterns > MAX_PATTERNS:
        raise too_much('selectors with "~=" in a request', patterns, MAX_PATTERNS)
    for selector in itertools.chain.from_iterable(alternatives):
        current().check()
        selector.compile()
    return Filter(tuple(alternatives) or ((),))
