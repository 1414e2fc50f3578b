"""Positions of keys in a TOML document, which no available parser reports.

Only for documents that tomli has accepted: this finds keys and checks nothing again. The grammar is that of
https://toml.io/en/v1.1.0.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

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
_STRING_OR_COMMENT: Final = re.compile(rf"{_STRING.pattern}|(#[^\n]*)", re.DOTALL)
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of each key, table and array element of a document.

    A table with a header is on the header's line, any other on the line of its first key.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


@attrs.frozen(eq=False, repr=False)
class WrittenKey:
    """A key as written in a document: in a header, or before a value."""

    path: KeyPath
    """The full path of the key."""
    table: KeyPath
    """The table that contains the key, a prefix of `path`; () for a header."""
    start: int
    end: int
    """The end of the key in the text."""
    value_end: int
    """The end of its value or header."""
    movable: bool
    """True if the key has lines of its own, outside of inline tables."""
    is_header: bool


def written_keys(text: str) -> list[WrittenKey]:
    """Return every key of a document, in the order of the text."""
    scanner = _Scanner(text)
    scanner.document()
    return sorted(scanner.written, key=lambda key: key.start)


def comments(text: str) -> list[str]:
    """Return the comments of a document, or of whole lines or values of one, each from its `#` on."""
    return [match[1].rstrip() for match in _STRING_OR_COMMENT.finditer(text) if match[1]]


def parse_key(text: str) -> tuple[str, ...]:
    """Split a dotted key into names.

    Raises:
        InvalidArgument: The key is malformed.
    """
    scanner = _Scanner(text)
    try:
        names = scanner.key()
    except ValueError:
        names = ()
    if not names or not scanner.at_end():
        raise InvalidArgument(f"{quoted(text)} is not a dotted key: names with special characters need quotes")
    return names


class _Scanner:
    """Scans a document once, from start to end."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self.written: list[WrittenKey] = []
        self._span = (0, 0)
        """The position of the last key."""
        self._last: dict[KeyPath, int] = {}
        """The index of the last element of each array of tables so far."""

    def document(self) -> None:
        table: KeyPath = ()
        self._skip_blank()
        while not self.at_end():
            if self._take("[["):
                table = self._element(self.key())
                self._take("]]")
                self._write_down(table, (), self._span, is_header=True)
            elif self._take("["):
                table = self._name((), self.key())
                self._take("]")
                self._write_down(table, (), self._span, is_header=True)
            else:
                self._pair(table)
            self._skip_blank()

    def key(self) -> tuple[str, ...]:
        match = self._match(_KEY)
        names, start = [_plain(match[1])], match.start(1)
        while self._take("."):
            match = self._match(_KEY)
            names.append(_plain(match[1]))
        self._span = start, match.end(1)
        return tuple(names)

    def at_end(self) -> bool:
        return self._at == len(self._text)

    def _pair(self, table: KeyPath, inline: bool = False) -> None:
        path, span = self._name(table, self.key()), self._span
        self._take("=")
        self._value(path)
        self._write_down(path, table, span, movable=not inline)

    def _write_down(
        self,
        path: KeyPath,
        table: KeyPath,
        span: tuple[int, int],
        *,
        movable: bool = True,
        is_header: bool = False,
    ) -> None:
        self.written.append(WrittenKey(path, table, *span, self._at, movable, is_header))

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
                self._pair(path, inline=True)
        else:
            self._match(_STRING if self._text[self._at] in "\"'" else _SCALAR)

    def _closed(self, mark: str) -> bool:
        """Advance to the next element, or past the end of an array or inline table."""
        self._skip_blank()
        if self._take(","):
            self._skip_blank()
        return self._take(mark)

    def _name(self, table: KeyPath, names: tuple[str, ...]) -> KeyPath:
        """Record a key, and the tables that it creates, on the current line."""
        path = self._enclosing(table, names[:-1])
        path = (*path, names[-1])
        self.lines[path] = self._current_line()
        return path

    def _element(self, names: tuple[str, ...]) -> KeyPath:
        """Record a new element of an array of tables on the current line."""
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
    """Return the name that a written key stands for."""
    if name[0] == "'" or (name[0] == '"' and "\\" not in name):
        return name[1:-1]
    if name[0] != '"':
        return name
    import tomli

    return next(iter(tomli.loads(f"{name} = 0")))
