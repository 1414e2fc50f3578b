"""What is wrong with a configuration, said so that it can be mended."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

import attrs

from lamina.errdefs import ConfigError

KeyPath = tuple[str | int, ...]
"""A place in a configuration: the key of each table on the way, the index of each array's element."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN: Final = 80
"""Characters of a string that a message shows."""


@attrs.frozen
class Problem:
    """One thing that is wrong."""

    file: str
    """The file; or what else gave the setting, such as a flag."""
    key: str
    """The dotted key as that file writes it, or "" for the file as a whole."""
    line: int | None
    """Line in the file, from 1; None where there is none."""
    found: str
    """What is there; the whole message where `expected` is None."""
    expected: str | None = None
    """What should be there."""
    nearest: str | None = None
    """The known name that is most like the one found."""
    column: int | None = None
    """Column in the line, from 1, of a syntax error."""

    def __str__(self) -> str:
        """`FILE:LINE: KEY: expected …, found …`."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        what = self.found if self.expected is None else f"expected {self.expected}, found {self.found}"
        hint = f" (did you mean {quoted(self.nearest)}?)" if self.nearest is not None else ""
        return ": ".join(part for part in (place, self.key, what + hint) if part)


def config_error(problems: Sequence[Problem]) -> ConfigError:
    """The error that carries problems, each file's together; its message has a line for each."""
    files = list(dict.fromkeys(problem.file for problem in problems))
    problems = sorted(problems, key=lambda problem: (files.index(problem.file), problem.line or 0))
    return ConfigError("\n".join(map(str, problems)), tuple(problems))


def dotted(path: KeyPath, *, shorten: bool = True) -> str:
    """A path as TOML writes it: names quoted where they must be, `[0]` for the element of an array.

    Args:
        path: The path.
        shorten: Whether long names that need quotes are cut short, for a message.
    """
    quote, text = quoted if shorten else toml_string, ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else quote(part))
    return text


def quoted(text: str) -> str:
    """A string in quotes on one line, cut short where it is long."""
    return toml_string(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def toml_string(text: str) -> str:
    """A string as TOML writes it, on one line."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def described(value: object) -> str:
    """A value as a message names it."""
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
