"""A condition on one field."""

from __future__ import annotations

import enum
import functools
import logging
from collections.abc import Callable

import attrs

from lamina.context import current
from lamina.errdefs import InvalidArgument
from lamina.filters._limits import MAX_PATTERN_BYTES, MAX_PATTERN_WORK, PATTERN_MEMORY, head, limit_error

_log = logging.getLogger(__name__)

Fields = Callable[[tuple[str, ...]], str | None]
"""Returns the value of an object's field by its path; None if the field is absent."""


class Operator(enum.Enum):
    """The comparison of a selector. The values are the operators of the language."""

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
        """Return whether the field of an object matches. An absent field counts as "" for `!=` and `~=`."""
        found = fields(self.fieldpath)
        if self.operator is Operator.PRESENT:
            return found is not None
        if self.operator is Operator.EQUAL:
            return found == self.value
        if self.operator is Operator.NOT_EQUAL:
            return (found or "") != self.value
        return self._search(found or "")

    def compile(self) -> None:
        """Compile and cache the regular expression, if the selector has one.

        Raises:
            InvalidArgument: The expression is too long or needs too much memory.
        """
        if self.operator is Operator.MATCHES:
            self._search  # noqa: B018 - caches the property

    @functools.cached_property
    def _search(self) -> Callable[[str], bool]:
        import re2  # type: ignore[import-untyped] # google-re2 has no stubs

        pattern = _encode(self.value)
        if len(pattern) > MAX_PATTERN_BYTES:
            raise limit_error('bytes in the value of a "~="', len(pattern), MAX_PATTERN_BYTES)
        options = re2.Options()
        options.log_errors = False  # RE2 would write to standard error
        options.never_capture = True  # captures cost time and memory, and are not used
        options.max_mem = PATTERN_MEMORY
        try:
            expression = re2.compile(pattern, options)
        except re2.error as error:
            return self._reject_or_ignore(error.args[0].decode(errors="replace"))
        instructions = expression.programsize

        def search(text: str) -> bool:
            current().check()  # a walk makes many searches
            value = _encode(text)
            if instructions * len(value) > MAX_PATTERN_WORK:
                raise self._too_large(instructions, len(value))
            return expression.search(value) is not None

        return search

    def _reject_or_ignore(self, reason: str) -> Callable[[str], bool]:
        if reason.startswith("pattern too large"):  # RE2's message for max_mem
            raise InvalidArgument(
                f"filters: the regular expression on {self._path} needs more than {PATTERN_MEMORY} bytes of "
                "memory: use fewer repetitions"
            )
        # As in containerd, an expression that does not compile is not an error.
        _log.warning("filter on %s matches nothing: %s", self._path, head(reason))
        return lambda _: False

    def _too_large(self, instructions: int, size: int) -> InvalidArgument:
        return InvalidArgument(
            f"filters: the regular expression on {self._path} has {instructions} instructions, which is too large "
            f"to search a value of {size} bytes: the product of the two is at most {MAX_PATTERN_WORK}: use fewer "
            "repetitions, or divide the expression among several filters"
        )

    @property
    def _path(self) -> str:
        return head(".".join(self.fieldpath))


def _encode(text: str) -> bytes:
    # Surrogates are encoded too; they match no character of an expression.
    return text.encode(errors="surrogatepass")
