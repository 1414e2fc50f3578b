"""A recursive-descent parser for one filter."""

from __future__ import annotations

import re

from lamina.errdefs import FilterSyntaxError, InvalidArgument
from lamina.filters._limits import MAX_SELECTORS, head, tail
from lamina.filters._quoting import QUOTES, encoding_error, end_of_quoted, unquote
from lamina.filters._selector import Operator, Selector

# Unicode's White_Space, as in Go's unicode.IsSpace; Python's str.isspace accepts four more characters.
_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPACES = re.compile(rf"[{_SPACE}]*")
_FIELD = re.compile(r"[A-Za-z0-9_]+")
_OPERATOR = re.compile(r"[=!~]+")
_BARE_START = re.compile(rf"[^,.=!~{QUOTES}{_SPACE}\0\ufffd\ud800-\udfff]")


def parse_selectors(text: str, limit: int = MAX_SELECTORS) -> tuple[Selector, ...]:
    """Parse the selectors of one filter, all of which must match; an empty text has none.

    Args:
        text: The filter.
        limit: The maximum number of selectors.

    Raises:
        FilterSyntaxError: The text does not follow the grammar. The message shows the position.
        InvalidArgument: The filter has too many selectors.
    """
    return _Parser(text).selectors(limit) if text else ()


class _Parser:
    """A parser with one method for each rule of the grammar. `position` is the next character to read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def selectors(self, limit: int) -> tuple[Selector, ...]:
        selectors: list[Selector] = []
        while True:
            if len(selectors) == limit:
                raise InvalidArgument(f"filters: at most {MAX_SELECTORS} selectors are allowed in a request")
            selectors.append(self.selector())
            if not self.next():
                return tuple(selectors)
            if self.next() != ",":
                raise self.error(f"unexpected input: {self.next()}")
            self.position += 1

    def selector(self) -> Selector:
        fieldpath = self.fieldpath()
        if self.next() in ("", ","):
            return Selector(fieldpath)
        operator = self.operator()
        return Selector(fieldpath, operator, self.value(operator))

    def fieldpath(self) -> tuple[str, ...]:
        fields = [self.field()]
        while self.next() == ".":
            self.position += 1
            fields.append(self.field())
        return tuple(fields)

    def field(self) -> str:
        self.skip_spaces()
        if self.at_quote():
            return self.quoted(quotes='"')
        return self.take(_FIELD, "expected field or quoted")

    def operator(self) -> Operator:
        self.skip_spaces()
        if self.at_quote():
            self.end_of_quoted()  # an error inside takes precedence
        start = self.position
        word = self.take(_OPERATOR, 'expected an operator ("=="|"!="|"~=")')
        try:
            return Operator(word)
        except ValueError:
            self.position = start
            raise self.error(f'unsupported operator "{head(word)}"') from None

    def value(self, operator: Operator) -> str:
        self.skip_spaces()
        if self.at_quote():
            return self.quoted(quotes=QUOTES if operator is Operator.MATCHES else '"')
        start = self.position
        self.take(_BARE_START, "expected value or quoted")
        while self.next() not in ("", ",", " ") and self.next().isprintable() and not self.encoding_error():
            self.position += 1
        return self.text[start : self.position]

    def quoted(self, quotes: str) -> str:
        end = self.end_of_quoted()
        if self.next() not in quotes:
            raise self.error("invalid quote encountered")
        try:
            value = unquote(self.text[self.position : end])
        except FilterSyntaxError as error:
            raise self.error(str(error)) from None
        self.position = end
        return value

    def end_of_quoted(self) -> int:
        try:
            return end_of_quoted(self.text, self.position)
        except FilterSyntaxError as error:
            raise self.error(str(error)) from None

    def take(self, pattern: re.Pattern[str], message: str) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            raise self.error(message)
        self.position = match.end()
        return match[0]

    def skip_spaces(self) -> None:
        self.take(_SPACES, "")

    def next(self) -> str:
        return self.text[self.position : self.position + 1]

    def at_quote(self) -> bool:
        return self.text.startswith(tuple(QUOTES), self.position)

    def encoding_error(self) -> str:
        return encoding_error(self.text, self.position)

    def error(self, message: str) -> FilterSyntaxError:
        before, at = tail(self.text[: self.position]), self.next()
        after = head(self.text[self.position + 1 :])
        place = f"{before} >|{at}|< {after}" if at else before
        return FilterSyntaxError(f"filters: parse error: [{place}]: {self.encoding_error() or message}")
