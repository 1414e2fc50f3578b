"""Parse and match filters."""

from __future__ import annotations

import itertools
import time

import attrs

from lamina.context import current
from lamina.errdefs import InvalidArgument
from lamina.filters._limits import MAX_PATTERN_SECONDS, MAX_PATTERNS, MAX_SELECTORS, check_size, limit_error
from lamina.filters._parser import parse_selectors
from lamina.filters._selector import Fields, Operator, Selector


@attrs.define
class _PatternTime:
    """The processor time spent on the regular expressions of a request."""

    seconds: float = 0.0

    def match(self, selector: Selector, fields: Fields) -> bool:
        """Match a `~=` selector and add the time spent."""
        if self.seconds > MAX_PATTERN_SECONDS:
            raise InvalidArgument(
                f'filters: the "~=" of a request take more than {MAX_PATTERN_SECONDS:g} seconds of processor '
                "time: use fewer repetitions in the regular expressions"
            )
        started = time.thread_time()
        try:
            return selector.match(fields)
        finally:
            self.seconds += time.thread_time() - started


@attrs.frozen
class Filter:
    """A condition on the fields of an object: at least one alternative, of which all selectors match."""

    alternatives: tuple[tuple[Selector, ...], ...]
    _time: _PatternTime = attrs.field(factory=_PatternTime, init=False, eq=False, repr=False)

    def match(self, fields: Fields) -> bool:
        """Return whether an object matches.

        Args:
            fields: Returns the value of a field by its path; None if the object has no such field.

        Raises:
            InvalidArgument: The regular expressions of all calls of this method took too long.
            Canceled, DeadlineExceeded: The current call ended.
        """
        return any(all(self._matches(selector, fields) for selector in each) for each in self.alternatives)

    def _matches(self, selector: Selector, fields: Fields) -> bool:
        if selector.operator is Operator.MATCHES:
            return self._time.match(selector, fields)
        return selector.match(fields)


def parse(*expressions: str) -> Filter:
    """Parse expressions into a filter that matches if any of them does, or always if there are none.

    A regular expression that does not compile is logged, and its selector matches nothing.

    Raises:
        FilterSyntaxError: An expression does not follow the grammar. The message shows the position.
        InvalidArgument: A limit of this package is exceeded. The message names it.
        Canceled, DeadlineExceeded: The current call ended.
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
        raise limit_error('selectors with "~=" in a request', patterns, MAX_PATTERNS)
    for selector in itertools.chain.from_iterable(alternatives):
        current().check()
        selector.compile()
    return Filter(tuple(alternatives) or ((),))
