"""Problems of a configuration, each with its place and the remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from lamina.errdefs import ConfigError

KeyPath = tuple[str | int, ...]
"""A place in a configuration: a key for each table and an index for each array on the way."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN: Final = 80
"""The length to which a message cuts strings."""


class Problem(NamedTuple):
    """One problem."""

    file: str
    """The file, or another source of the setting, such as a flag."""
    key: str
    """The dotted key as written in the file, or "" for the whole file."""
    line: int | None
    """The line in the file, from 1; None if there is none."""
    found: str
    """The value found; the whole message if `expected` is None."""
    expected: str | None = None
    """The value expected."""
    nearest: str | None = None
    """The known name most similar to the one found."""
    column: int | None = None
    """The column in the line, from 1, of a syntax error."""

    def __str__(self) -> str:
        """`FILE:LINE: KEY: expected …, found …`."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        what = self.found if self.expected is None else f"expected {self.expected}, found {self.found}"
        hint = f" (did you mean {quoted(self.nearest)}?)" if self.nearest is not None else ""
        return ": ".join(part for part in (place, self.key, what + hint) if part)


def config_error(problems: Sequence[Problem]) -> ConfigError:
    """Return an error with the problems, grouped by file, one per line in its message."""
    files = list(dict.fromkeys(problem.file for problem in problems))
    problems = sorted(problems, key=lambda problem: (files.index(problem.file), problem.line or 0))
    return ConfigError("\n".join(map(str, problems)), tuple(problems))


def dotted(path: KeyPath, *, shorten: bool = True) -> str:
    """Format a path as TOML: names are quoted where necessary, and `[0]` stands for an array element.

    Args:
        path: The path.
        shorten: Whether to cut long quoted names, for a message.
    """
    quote, text = quoted if shorten else toml_string, ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else quote(part))
    return text


def quoted(text: str) -> str:
    """Quote a string on one line and cut it if it is long."""
    return toml_string(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def toml_string(text: str) -> str:
    """Format a string as TOML, on one line."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def described(value: object) -> str:
    """Describe a value for a message."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f"the string {quoted(value)}"
        case int() | float():
            return f"the number {value}"
        case list():
            return f"an array of {len(value)}"
        case dict():
            return "a table"
        case _:
            return quoted(str(value))
