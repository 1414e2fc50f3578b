"""The header `WWW-Authenticate` (RFC 9110, section 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_PARAMETER: Final = re.compile(rf'[ \t]*({_NAME})[ \t]*=[ \t]*([^\s,"]+|{_QUOTED})[ \t]*(?=,|$)', re.DOTALL)
_SCHEME: Final = re.compile(rf"[ \t,]*({_NAME})(?:[ \t]+|(?=,|$))")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)")
_SEPARATOR: Final = re.compile(r"[ \t]*,[ \t,]*")
_MAX_HEADER: Final = 16384
"""Maximum number of characters of a header that are read."""


@attrs.frozen
class Challenge:
    """One way in which a server lets a client say who it is."""

    scheme: str
    """In lower case: `bearer`, `basic`."""
    parameters: Mapping[str, str]
    """Values by name, in lower case."""


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Return the challenges of the headers `WWW-Authenticate`, in their order, as far as they can be understood.

    Args:
        headers: The values; each may have several challenges.
    """
    return [challenge for header in headers for challenge in _parse(header[:_MAX_HEADER])]


def _parse(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    at = 0
    while scheme := _SCHEME.match(header, at):
        parameters: dict[str, str] = {}
        at = scheme.end()
        while parameter := _PARAMETER.match(header, at):
            parameters.setdefault(parameter[1].lower(), _unquoted(parameter[2]))
            separator = _SEPARATOR.match(header, parameter.end())
            at = separator.end() if separator else parameter.end()
        if not parameters and (token := _TOKEN68.match(header, at)):
            at = token.end()
        found.append(Challenge(scheme[1].lower(), parameters))
    return found


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text.startswith('"') else text
