"""One condition on one field."""

from __future__ import annotations

import enum
import functools
import logging
from collections.abc import Callable

import attrs

from lamina.context import current
from lamina.errdefs import InvalidArgument
from lamina.filters._limits import MAX_PATTERN_BYTES, PATTERN_MEMORY, start_of, too_much

_log = logging.getLogger(__name__)

Fields = Callable[[tuple[str, ...]], str | None]
"""How an object shows itself to a filter: from a field path to the field's value, None where it is absent."""


class Operator(enum.Enum):
    """How a selector compares; the values are the words of the language."""

    PRESENT = ""
    EQUAL = "=="
    NOT_EQUAL = "!="
    MATCHES = "~="


@attrs.frozen
class Selector:
    """A field path, an operator, and the value to compare with."""

    fieldpath: tuple[str, ...]
    operator: Operator = Operator.PRESENT
    value: str = ""

    def match(self, fields: Fields) -> bool:
        """Whether the object's field is as asked. An absent field has the value "" for `!=` and `~=`."""
        found = fields(self.fieldpath)
        if self.operator is Operator.PRESENT:
            return found is not None
        if self.operator is Operator.EQUAL:
            return found == self.value
        if self.operator is Operator.NOT_EQUAL:
            return (found or "") != self.value
        return self._search(found or "")

    def compile(self) -> None:
        """Get ready to match, which a regular expression needs before it is first searched for.

        Raises:
            InvalidArgument: It is too long, or needs too much memory.
        """
        if self.operator is Operator.MATCHES:
            self._search  # noqa: B018 - is remembered

    @functools.cached_property
    def _search(self) -> Callable[[str], bool]:
        import re2  # type: ignore[import-untyped]

        pattern = _encode(self.value)
        if len(pattern) > MAX_PATTERN_BYTES:
            raise too_much('bytes in the value of a "~="', len(pattern), MAX_PATTERN_BYTES)
        options = re2.Options()
        options.log_errors = False  # it would write to standard error
        options.never_capture = True  # groups cost time and memory for each, and nobody asks for them
        options.max_mem = PATTERN_MEMORY
        try:
            expression = re2.compile(pattern, options)
        except re2.error as error:
            return self._without_expression(error.args[0].decode(errors="replace"))

        def search(text: str) -> bool:
            current().check()  # each takes time in proportion to the text, and there are many
            return expression.search(_encode(text)) is not None

        return search

    def _without_expression(self, reason: str) -> Callable[[str], bool]:
        path = start_of(".".join(self.fieldpath))
        if reason.startswith("pattern too large"):  # RE2's words for what max_mem forbids
            raise InvalidArgument(
                f"filters: the regular expression on {path} needs more than {PATTERN_MEMORY} bytes of memory"
            )
        # As in containerd, an expression that does not compile is no syntax error.
        _log.warning("filter on %s matches nothing: %s", path, start_of(reason))
        return lambda _: False


def _encode(text: str) -> bytes:
    # Any string goes through; what is not UTF-8 matches no character of an expression.
    return text.encode(errors="surrogatepass")
