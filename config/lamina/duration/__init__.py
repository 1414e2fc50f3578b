"""Durations as Go and configuration files write them: `100ms`, `1m30s`."""

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
"""An ECMA 262 regular expression of the strings that `Duration.parse` accepts."""

_TERM: Final = re.compile(rf"([0-9]*)(?:\.([0-9]*))?({_UNIT})")
_LIMIT: Final = 2**63
"""Go stores a duration as nanoseconds in a signed 64-bit integer."""


class Duration(float):
    """A duration in seconds, written as Go writes it.

    A field of this type in a plugin's configuration class is read from a string: `"1m30s"`.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a duration as Go's `time.ParseDuration` does.

        Args:
            text: `0`, or an optional sign followed by decimal numbers with units: `ns`, `us` (or `µs`), `ms`, `s`,
                `m`, `h`.

        Raises:
            InvalidArgument: The string is malformed, or longer than about 292 years.
        """
        digits = text[1:] if text[:1] in {"+", "-"} else text
        nanoseconds = 0 if digits == "0" else _nanoseconds(digits)
        if nanoseconds is None:
            raise InvalidArgument(f'duration "{text}": expected numbers with units, such as "1m30s" or "100ms"')
        if nanoseconds >= _LIMIT:
            raise InvalidArgument(f'duration "{text}": longer than 292 years')
        return cls((-nanoseconds if text[0] == "-" else nanoseconds) / _SECOND)

    def __str__(self) -> str:
        """Format the duration as Go does, to the nanosecond: `1m30s`, `1.5ms`, `0s`. `parse` reads it back."""
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
    """Return the sum of an unsigned duration's terms, each cut off at nanoseconds, or None if one is invalid."""
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
    """Format a number of units with as many decimals as needed."""
    whole, rest = divmod(nanoseconds, unit)
    fraction = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
