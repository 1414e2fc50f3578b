"""`Filter`, and how it comes from text."""

from __future__ import annotations

import itertools
import time

import attrs

from lamina.context import current
from lamina.errdefs import InvalidArgument
from lamina.filters._limits import MAX_PATTERN_SECONDS, MAX_PATTERNS, MAX_SELECTORS, check_size, too_much
from lamina.filters._parser import parse_selectors
from lamina.filters._selector import Fields, Operator, Selector


@attrs.define
class _PatternTime:
    """Processor time that the regular expressions of a request have taken."""

    seconds: float = 0.0

    def match(self, selector: Selector, fields: Fields) -> bool:
        """Match a selector with `~=`, and add the time that it takes."""
        if self.seconds > MAX_PATTERN_SECONDS:
            raise InvalidArgument(
                f'filters: more than {MAX_PATTERN_SECONDS:g} seconds of processor time for the "~=" of a request: '
                "use fewer repetitions in the regular expressions"
            )
        started = time.thread_time()
        try:
            return selector.match(fields)
        finally:
            self.seconds += time.thread_time() - started


@attrs.frozen
class Filter:
    """A condition on an object's fields: any of the alternatives, of which each is all of its selectors."""

    alternatives: tuple[tuple[Selector, ...], ...]
    _time: _PatternTime = attrs.field(factory=_PatternTime, init=False, eq=False, repr=False)

    def match(self, fields: Fields) -> bool:
        """Whether an object is meant.

        Args:
            fields: Gives the value of a field by its path, None where the object has no such field.

        Raises:
            InvalidArgument: The regular expressions have taken too long, all calls of this method together.
            Canceled, DeadlineExceeded: The call at hand is not wanted any more.
        """
        return any(all(self._matches(selector, fields) for selector in each) for each in self.alternatives)

    def _matches(self, selector: Selector, fields: Fields) -> bool:
        if selector.operator is Operator.MATCHES:
            return self._time.match(selector, fields)
        return selector.match(fields)


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
