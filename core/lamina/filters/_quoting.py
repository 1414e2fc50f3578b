"""Quote and unquote text in the filter language."""

from __future__ import annotations

import re

from lamina.errdefs import FilterSyntaxError

QUOTES = '"/|'

_ESCAPE = r"[abfnrtv\\]|[0-7]{3}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}"
_PIECE = {quote: re.compile(rf"[^{quote}\\\n\0\ufffd\ud800-\udfff]+|\\(?:{quote}|{_ESCAPE})") for quote in QUOTES}
_NUMERIC = re.compile(r"\\[0-7xuU]")
_ESCAPED = re.compile(rf"\\({_ESCAPE}|.)".encode())
_CONTROLS = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}


def quote(text: str) -> str:
    """Quote text for use in a filter: `f"name=={quote(key)}"`.

    Args:
        text: Any text that can be encoded as UTF-8.
    """
    return '"' + "".join(map(_escape, text)) + '"'


def end_of_quoted(text: str, start: int) -> int:
    """Return the position after the quoted text that starts at `start`.

    Raises:
        FilterSyntaxError: The quote is not terminated, or contains an invalid escape sequence. The message has no
            position yet.
    """
    end = start + 1
    # One repeated group would suffice, but needs memory to backtrack, and possessive ones fail in Python 3.11.2.
    while piece := _PIECE[text[start]].match(text, end):
        end = piece.end()
    if text[end : end + 1] == text[start]:
        return end + 1
    if _NUMERIC.match(text, end):
        raise FilterSyntaxError("illegal numeric escape sequence")
    if text[end : end + 1] == "\\":
        raise FilterSyntaxError("illegal escape sequence")
    raise FilterSyntaxError(encoding_error(text, end) or "quoted literal not terminated")


def unquote(quoted: str) -> str:
    r"""Return the meaning of quoted text. Bytes that are not UTF-8 (`"\xff"`) become surrogate escapes.

    Args:
        quoted: The text with its quotes, as delimited by `end_of_quoted`.

    Raises:
        FilterSyntaxError: An escape sequence is not a character. The message has no position yet.
    """
    try:
        return _ESCAPED.sub(_unescape, quoted[1:-1].encode()).decode(errors="surrogateescape")
    except (ValueError, OverflowError):
        raise FilterSyntaxError("unquoting failed: invalid syntax") from None


def encoding_error(text: str, position: int) -> str:
    """Return why the character at `position` is never valid; "" if it can be, and at the end."""
    character = text[position : position + 1]
    if character == "\0":
        return "unexpected null"
    # Go cannot tell U+FFFD from a decoding error; Python represents such an error as a surrogate.
    return "rune error" if character == "\ufffd" or "\ud800" <= character <= "\udfff" else ""


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable() and character != "\ufffd":
        return character
    number = ord(character)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _unescape(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    if escape[:1] in b"uU":
        return chr(int(escape[1:], 16)).encode()
    if escape[:1] == b"x":
        return bytes([int(escape[1:], 16)])
    if escape.isdigit():
        return bytes([int(escape, 8)])
    return _CONTROLS.get(escape, escape)
