"""Output of commands: plain text that is safe to display, tables and JSON."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence

import click

_GAP = 4
"""Spaces between columns, as in `ctr plugins ls`."""
_PIECE = 1 << 16
"""Characters that are printed together."""
_NARROWEST = 12
"""The width in columns below which no cell is cut or folded."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

STDOUT = "standard output"
"""The name of stdout in messages."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""Adds the flag `as_json` to a command."""
json_implied = click.option("--json", is_flag=True, expose_value=False, help="Print JSON, as without this option.")
"""Adds the flag to a command that always prints JSON, so that scripts may pass it everywhere."""


def write(text: str) -> None:
    """Print lines on stdout as UTF-8, whatever the locale. Paths that are not UTF-8 keep their bytes.

    Raises:
        OSError: Standard output, which it names, is closed or full.
    """
    try:
        click.echo(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        error.filename = STDOUT
        raise


def write_json(document: object) -> None:
    """Print JSON as containerd does: indented by 4 spaces, ASCII only."""
    import json

    write(json.dumps(document, indent=4))


@contextlib.contextmanager
def json_of_removed(wanted: bool) -> Iterator[list[object]]:
    """Print the things that a command removed as JSON at the end of the block, even if a later removal fails.

    Args:
        wanted: Whether to print it at all.

    Yields:
        The documents to print, to which the block adds each once it is removed.
    """
    removed: list[object] = []
    try:
        yield removed
    finally:
        if wanted and removed:
            write_json(removed)


def write_lines(lines: Iterable[str]) -> None:
    """Print lines as they come, several at a time."""
    pending: list[str] = []
    size = 0
    for line in lines:
        pending.append(line)
        size += len(line)
        if size > _PIECE:
            write("\n".join(pending))
            pending.clear()
            size = 0
    if pending:
        write("\n".join(pending))


def write_json_array(items: Iterable[object]) -> None:
    """Print an array as `write_json` does, while its items come."""
    import json

    texts = ("    " + json.dumps(item, indent=4).replace("\n", "\n    ") for item in items)
    last = next(texts, None)
    if last is None:
        write("[]")
        return
    write_lines(_array(last, texts))


def _array(last: str, texts: Iterable[str]) -> Iterator[str]:
    yield "["
    for text in texts:
        yield f"{last},"
        last = text
    yield last
    yield "]"


def write_table(header: Sequence[str], rows: Iterable[Sequence[str]], whole: int = 1) -> None:
    """Print a table with one line for each row. On a terminal, cells are cut or folded to fit.

    Args:
        header: The names of the columns.
        rows: The texts of each row's cells.
        whole: The number of columns, from the first, with names for use in other commands. They are never cut:
            they fold if the others are as narrow as can be.
    """
    write("\n".join(table_lines(header, rows, terminal_width(), whole)))


def notify(text: str) -> None:
    """Print a message on stderr, if that is a terminal."""
    if sys.stderr.isatty():
        click.echo(one_line(text), err=True)


def terminal_width() -> int | None:
    """Return the width of stdout in columns, or None if it is not a terminal."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def table_lines(
    header: Sequence[str], rows: Iterable[Sequence[str]], width: int | None = None, whole: int = 1
) -> list[str]:
    """Format a table with left-aligned columns.

    Args:
        header: The names of the columns.
        rows: The texts of each row's cells.
        width: The width in columns to which long cells are cut or folded; None: no limit.
        whole: See `write_table`.
    """
    cells = [tuple(header), *(tuple(map(escape, row)) for row in rows)]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    if width is None:
        return [_line(row, widths) for row in cells]
    room = width - _GAP * (len(widths) - 1)
    others = _fit(widths[whole:], room - sum(widths[:whole]))
    widths = [*_fit(widths[:whole], room - sum(others)), *others]
    return [_line(line, widths) for row in cells for line in _folded(row, widths, whole)]


def _folded(row: tuple[str, ...], widths: list[int], whole: int) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a row: the first cells folded, the others cut."""
    names = [_fold(cell, width) for cell, width in zip(row[:whole], widths, strict=False)]
    others = tuple(map(shorten, row[whole:], widths[whole:]))
    for number, line in enumerate(itertools.zip_longest(*names, fillvalue="")):
        yield (*line, *(("",) * len(others) if number else others))


def _fold(text: str, width: int) -> list[str]:
    """Break text into lines of a number of columns."""
    if display_width(text) <= width:
        return [text]
    from rich.cells import chop_cells

    return chop_cells(text, width)


def escape(text: str) -> str:
    """Escape text for a cell: on one line, and reversibly, so backslashes are doubled."""
    return one_line(text.replace("\\", "\\\\"))


def one_line(text: str) -> str:
    """Escape every control character and every other invisible character as Python does."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shorten(text: str, width: int) -> str:
    """Cut text in the middle to a number of columns: keys often differ only at their ends."""
    if display_width(text) <= width:
        return text
    from rich.cells import set_cell_size

    tail = (width - 1) // 2
    return f"{set_cell_size(text, width - 1 - tail)}…{set_cell_size(text[::-1], tail)[::-1]}"


def display_width(text: str) -> int:
    """Return the number of terminal columns that text occupies."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def binary_size(size: int) -> str:
    """Format a number of bytes: `292 B`, `1.5 MiB`."""
    number, unit = float(size), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.1f} {_UNITS[unit]}" if unit else f"{size} B"


def in_seconds(time: str) -> str:
    """Return a time (RFC 3339) without the fraction of its seconds."""
    whole, dot, fraction = time.partition(".")
    return whole + fraction.lstrip("0123456789") if dot else time


def _fit(widths: list[int], total: int) -> list[int]:
    """Reduce the widest columns until their sum is at most `total`, none below `_NARROWEST`."""
    widest = max(widths, default=0)
    while sum(widths) > total and widest > _NARROWEST:
        widest -= 1
        widths = [min(width, widest) for width in widths]
    return widths


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    padded = (cell + " " * (width + _GAP - display_width(cell)) for cell, width in zip(row, widths, strict=True))
    return "".join(padded).rstrip(" ")
