"""Where each key of a TOML document stands. No parser at hand tells.

For documents that tomli has accepted: this finds keys and checks nothing again. The grammar is that of
https://toml.io/en/v1.1.0.
"""

from __future__ import annotations

import re
from typing import Final

import tomli

from lamina.config._problems import KeyPath, quoted
from lamina.errdefs import InvalidArgument

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY: Final = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')[ \t]*""")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # a multi-line string may end in one or two quotes of its own
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, on which each key, table and array element of a document stands.

    A table that has a header of its own stands on that; any other, where its first key is.

    Args:
        text: A valid TOML document.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def parse_key(text: str) -> tuple[str, ...]:
    """The names that a dotted key consists of.

    Raises:
        InvalidArgument: It is no dotted key.
    """
    scanner = _Scanner(text)
    try:
        names = scanner.key()
    except ValueError:
        names = ()
    if not names or not scanner.at_end():
        raise InvalidArgument(f"{quoted(text)} is no dotted key: names that are not plain words need quotes")
    return names


class _Scanner:
    """Goes through a document once, from the left to the right."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._last: dict[KeyPath, int] = {}
        """Index of the last element of each array of tables so far."""

    def document(self) -> None:
        table: KeyPath = ()
        self._skip_blank()
        while not self.at_end():
            if self._take("[["):
                table = self._element(self.key())
                self._take("]]")
            elif self._take("["):
                table = self._name((), self.key())
                self._take("]")
            else:
                self._pair(table)
            self._skip_blank()

    def key(self) -> tuple[str, ...]:
        names = [_plain(self._match(_KEY)[1])]
        while self._take("."):
            names.append(_plain(self._match(_KEY)[1]))
        return tuple(names)

    def at_end(self) -> bool:
        return self._at == len(self._text)

    def _pair(self, table: KeyPath) -> None:
        path = self._name(table, self.key())
        self._take("=")
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        if self._take("["):
            index = 0
            while not self._closed("]"):
                self.lines[*path, index] = self._current_line()
                self._value((*path, index))
                index += 1
        elif self._take("{"):
            while not self._closed("}"):
                self._pair(path)
        else:
            self._match(_STRING if self._text[self._at] in "\"'" else _SCALAR)

    def _closed(self, mark: str) -> bool:
        """Go to the next element, or past the end of an array or inline table."""
        self._skip_blank()
        if self._take(","):
            self._skip_blank()
        return self._take(mark)

    def _name(self, table: KeyPath, names: tuple[str, ...]) -> KeyPath:
        """Note a key, and the tables that it brings about, on the current line."""
        path = self._enclosing(table, names[:-1])
        path = (*path, names[-1])
        self.lines[path] = self._current_line()
        return path

    def _element(self, names: tuple[str, ...]) -> KeyPath:
        """Note a new element of an array of tables on the current line."""
        array = (*self._enclosing((), names[:-1]), names[-1])
        self._last[array] = self._last.get(array, -1) + 1
        self.lines.setdefault(array, self._current_line())
        self.lines[*array, self._last[array]] = self._current_line()
        return (*array, self._last[array])

    def _enclosing(self, path: KeyPath, names: tuple[str, ...]) -> KeyPath:
        for name in names:
            path = (*path, name)
            self.lines.setdefault(path, self._current_line())
            if path in self._last:
                path = (*path, self._last[path])
        return path

    def _skip_blank(self) -> None:
        self._match(_BLANK)

    def _take(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        if found:
            self._at += len(mark)
        return found

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"line {self._current_line()}: not the TOML that tomli accepted")
        self._at = match.end()
        return match

    def _current_line(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line


def _plain(name: str) -> str:
    """The name that a written key stands for."""
    if name[0] == "'" or (name[0] == '"' and "\\" not in name):
        return name[1:-1]
    return next(iter(tomli.loads(f"{name} = 0"))) if name[0] == '"' else name
