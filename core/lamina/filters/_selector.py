"""One condition on one field."""

from __future__ import annotations

import enum
import functools
import logging
from collections.abc import Callable

import attrs

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

    @functools.cached_property
    def _search(self) -> Callable[[str], bool]:
        # Here and not in the parser: as in containerd, an expression that does not compile is no syntax error.
        import re2  # type: ignore[import-untyped]  # noqa: PLC0415 - has no stubs; few processes need it

        options = re2.Options()
        options.log_errors = False  # it would write to standard error
        try:
            expression = re2.compile(_encode(self.value), options)
        except re2.error as error:
            reason = error.args[0].decode(errors="replace")
            _log.warning("filter on %s matches nothing: %s", ".".join(self.fieldpath), reason)
            return lambda _: False
        return lambda text: expression.search(_encode(text)) is not None


def _encode(text: str) -> bytes:
    # Any string goes through; what is not UTF-8 matches no character of an expression.
    return text.encode(errors="surrogatepass")
