"""What commands print: plain text that is safe to look at, tables, JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

_GAP = 4
"""Blanks between columns, as in `ctr plugins ls`."""
_NARROWEST = 8
"""Characters below which no column is cut, however narrow the terminal."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""Gives a command the flag `as_json`."""


def write(text: str) -> None:
    """Print lines on stdout, whatever the locale. A path that is not Unicode comes out as the bytes that it is."""
    click.echo(text.encode("utf-8", "surrogateescape"))


def write_json(document: object) -> None:
    """Print JSON in containerd's form, indented with 4 spaces. Whatever is not ASCII is escaped."""
    import json

    write(json.dumps(document, indent=4))


def write_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, each cell on one line. On a terminal, cells are cut so that a row takes one line.

    Args:
        header: The columns' names.
        rows: As many texts each, of whatever content.
    """
    write("\n".join(table_lines(header, rows, terminal_width())))


def notify(text: str) -> None:
    """Tell whoever looks on how it went: on stderr, where that is a terminal."""
    if sys.stderr.isatty():
        click.echo(one_line(text), err=True)


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None where it is none, and lines may be of any length."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def table_lines(header: Sequence[str], rows: Iterable[Sequence[str]], width: int | None = None) -> list[str]:
    """The lines of a table with left-aligned columns.

    Args:
        header: The columns' names.
        rows: As many texts each.
        width: Columns of the terminal, to which long cells are cut; None: nothing is cut.
    """
    cells = [tuple(header), *(tuple(map(escape, row)) for row in rows)]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    if width is not None:
        widths = _fit(widths, width - _GAP * (len(widths) - 1))
        cells = [tuple(map(shorten, row, widths)) for row in cells]
    return [_line(row, widths) for row in cells]


def escape(text: str) -> str:
    """Text for a cell: on one line, and different for different texts, hence backslashes are doubled."""
    return one_line(text.replace("\\", "\\\\"))


def one_line(text: str) -> str:
    """Text with every control or otherwise invisible character escaped, as Python writes it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shorten(text: str, width: int) -> str:
    """Text cut in its middle to so many columns: keys often differ at their ends only."""
    if display_width(text) <= width:
        return text
    from rich.cells import set_cell_size

    tail = (width - 1) // 2
    return f"{set_cell_size(text, width - 1 - tail)}…{set_cell_size(text[::-1], tail)[::-1]}"


def display_width(text: str) -> int:
    """Columns that text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def binary_size(size: int) -> str:
    """Bytes as `ctr` writes them: `1.5 MiB`."""
    number, unit = float(size), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.1f} {_UNITS[unit]}"


def _fit(widths: list[int], total: int) -> list[int]:
    """Column widths of at most `total` in sum, the widest cut first and none below what can be read."""
    widest = max(widths)
    while sum(widths) > total and widest > _NARROWEST:
        widest -= 1
        widths = [min(width, widest) for width in widths]
    return widths


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    padded = (cell + " " * (width + _GAP - display_width(cell)) for cell, width in zip(row, widths, strict=True))
    return "".join(padded).rstrip(" ")
