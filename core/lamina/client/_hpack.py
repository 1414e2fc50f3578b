"""Header compression of HTTP/2 (HPACK, RFC 7541) without a dynamic table.

A client that sets SETTINGS_HEADER_TABLE_SIZE to 0 needs no dynamic table, but must decode compressed strings.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_NAMES: Final = """\
:authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status
accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow
authorization cache-control content-disposition content-encoding content-language content-length content-location
content-range content-type cookie date etag expect expires from host if-match if-modified-since if-none-match
if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range
referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via
www-authenticate
""".split()  # noqa: SIM905 # a list of 61 strings has 61 lines
"""The names in the static table, from index 1 (appendix A)."""
_STATUSES: Final = {8: b"200", 9: b"204", 10: b"206", 11: b"304", 12: b"400", 13: b"404", 14: b"500"}
"""The values in the static table that occur in responses, by index."""

_CODE_LENGTHS: Final = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b08060606050505060606"
    "0606060607080f060c0a0d06070707070707070707070707070707070707070707070807080d130d0e060f0506050605060606050707"
    "0606060506070605050607070707070f0b0e0d1c14161414161616171617171717171817181816171817171717151617161717181615"
    "1416161717151716161815161717151516151716171714161616171616171a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b18"
    "15151a1a1c1b1b1b14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e"
)
"""Length in bits of the Huffman code of each byte, and of the end of a string (appendix B)."""
_END: Final = 256


class MalformedBlock(ValueError):
    """A header block is malformed, or refers to the dynamic table."""


def encode(fields: Iterable[tuple[str, str]]) -> bytes:
    """Encode a header block without compressing or indexing anything (6.2.2).

    Args:
        fields: Names and values, in ASCII.
    """
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)


def decode(block: bytes) -> dict[str, bytes]:
    """Decode a header block. Of fields with the same name, the last is returned.

    Raises:
        MalformedBlock: The block cannot be decoded.
    """
    try:
        return dict(_fields(block))
    except IndexError:
        raise MalformedBlock("the block is truncated") from None


def _fields(block: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(block):
        first = block[at]
        if first & 0x80:  # 6.1
            index, at = _read_integer(block, at, 7)
            yield _name(index), _STATUSES.get(index, b"")
            continue
        if first & 0xE0 == 0x20:  # 6.3
            _, at = _read_integer(block, at, 5)
            continue
        index, at = _read_integer(block, at, 6 if first & 0x40 else 4)
        if index:
            name = _name(index)
        else:
            data, at = _read_string(block, at)
            name = data.decode("latin-1")
        value, at = _read_string(block, at)
        yield name, value


def _name(index: int) -> str:
    if not 1 <= index <= len(_NAMES):
        raise MalformedBlock(f"index {index} is not in the static table")
    return _NAMES[index - 1]


def _read_integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """Return an integer (5.1) and the offset of the byte after it."""
    most = (1 << bits) - 1
    number = block[at] & most
    at += 1
    if number < most:
        return number, at
    for shift in range(0, 28, 7):
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise MalformedBlock("an integer is too large")


def _read_string(block: bytes, at: int) -> tuple[bytes, int]:
    """Return a string (5.2) and the offset of the byte after it."""
    compressed = block[at] & 0x80
    length, at = _read_integer(block, at, 7)
    data = block[at : at + length]
    if len(data) < length:
        raise MalformedBlock("the block is truncated")
    return _decompressed(data) if compressed else data, at + length


def _decompressed(data: bytes) -> bytes:
    symbols, found = _symbols(), bytearray()
    code = length = 0
    for byte in data:
        for bit in range(7, -1, -1):
            code, length = code << 1 | byte >> bit & 1, length + 1
            symbol = symbols.get((length, code))
            if symbol is not None:
                found.append(_byte(symbol))
                code = length = 0
    if length > 7 or code != (1 << length) - 1:
        raise MalformedBlock("a string ends within a code")
    return bytes(found)


def _byte(symbol: int) -> int:
    if symbol == _END:
        raise MalformedBlock("a string contains the code of its end")
    return symbol


@functools.cache
def _symbols() -> Mapping[tuple[int, int], int]:
    """Return the symbol of each code, by length and bits. In a canonical code, the lengths determine the codes."""
    symbols, code, before = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(_CODE_LENGTHS)):
        code <<= length - before
        symbols[length, code] = symbol
        code, before = code + 1, length
    return symbols


def _string(text: str) -> bytes:
    data = text.encode("ascii")
    return _integer(len(data)) + data


def _integer(number: int) -> bytes:
    """Encode the length of an uncompressed string (5.1, 5.2)."""
    if number < 0x7F:
        return bytes([number])
    result = bytearray([0x7F])
    number -= 0x7F
    while number >= 0x80:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*result, number])
