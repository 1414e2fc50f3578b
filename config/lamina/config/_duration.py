"""Lengths of time as configuration files write them: `100ms`, `1m30s`."""

from __future__ import annotations

import re
from typing import Final, Self

from lamina.errdefs import InvalidArgument

_SECOND: Final = 10**9
_UNITS: Final = {
    "h": 3600 * _SECOND,
    "m": 60 * _SECOND,
    "s": _SECOND,
    "ms": 10**6,
    "µs": 10**3,  # U+00B5, the micro sign
    "μs": 10**3,  # U+03BC, the Greek letter  # Go reads both
    "us": 10**3,
    "ns": 1,
}
"""Nanoseconds of each unit of Go's `time.ParseDuration`."""

_UNIT: Final = "|".join(sorted(_UNITS, key=len, reverse=True))
DURATION_PATTERN: Final = rf"^[+-]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)({_UNIT}))+)$"
"""What `Duration.parse` reads, as a regular expression of ECMA 262."""

_TERM: Final = re.compile(rf"([0-9]*)(?:\.([0-9]*))?({_UNIT})")
_LIMIT: Final = 2**63
"""Go keeps a duration as nanoseconds in a signed 64-bit integer."""


class Duration(float):
    """A length of time in seconds, written and read as Go writes it.

    A plugin's configuration class gives a field this type to have it read from a string: `"1m30s"`.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The length that a Go duration string stands for.

        Args:
            text: `0`, or one or more decimal numbers with a unit each: `ns`, `us` (or `µs`), `ms`, `s`, `m`,
                `h`; a sign may stand before them. As Go's `time.ParseDuration`.

        Raises:
            InvalidArgument: It is no such string, or longer than about 292 years.
        """
        digits = text[1:] if text[:1] in {"+", "-"} else text
        nanoseconds = 0 if digits == "0" else _nanoseconds(digits)
        if nanoseconds is None:
            raise InvalidArgument(f'duration "{text}": expected numbers with units, such as "1m30s" or "100ms"')
        if nanoseconds >= _LIMIT:
            raise InvalidArgument(f'duration "{text}": longer than 292 years')
        return cls((-nanoseconds if text[0] == "-" else nanoseconds) / _SECOND)

    def __str__(self) -> str:
        """As Go prints it, to the nanosecond: `1m30s`, `1.5ms`, `0s`. `parse` reads it back."""
        numerator, denominator = self.as_integer_ratio()
        nanoseconds = (2 * abs(numerator) * _SECOND + denominator) // (2 * denominator)
        sign = "-" if numerator < 0 and nanoseconds else ""
        if 0 < nanoseconds < _SECOND:
            unit = next(unit for unit in ("ms", "µs", "ns") if nanoseconds >= _UNITS[unit])
            return f"{sign}{_decimal(nanoseconds, _UNITS[unit])}{unit}"
        minutes, rest = divmod(nanoseconds, _UNITS["m"])
        hours, minutes = divmod(minutes, 60)
        seconds = f"{_decimal(rest, _SECOND)}s"
        if hours:
            return f"{sign}{hours}h{minutes}m{seconds}"
        return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"

    def __repr__(self) -> str:
        return f"Duration.parse({str(self)!r})"


def _nanoseconds(digits: str) -> int | None:
    """The sum of an unsigned duration's terms, each cut off at a nanosecond; None where one is malformed."""
    total, at = 0, 0
    while at < len(digits) or at == 0:
        term = _TERM.match(digits, at)
        if term is None:
            return None
        whole, fraction, unit = term[1], term[2] or "", term[3]
        if not whole and not fraction:
            return None
        total += int(whole + fraction) * _UNITS[unit] // 10 ** len(fraction)
        at = term.end()
    return total


def _decimal(nanoseconds: int, unit: int) -> str:
    """A number of units, with as many decimals as it needs."""
    whole, rest = divmod(nanoseconds, unit)
    fraction = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
