"""Tables, and escaping of text."""

import contextlib
import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.cli.terminal.output import (
    binary_size,
    display_width,
    escape,
    one_line,
    shorten,
    table_lines,
    write,
    write_json,
)

TEXTS = st.text(max_size=40)
HEADER = ("KEY", "PARENT", "KIND")


def printed(function, argument):
    """Return the output on an ASCII-only stdout, as in the C locale."""
    raw = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(raw, encoding="ascii")):
        function(argument)
        return raw.getvalue()


def test_columns_are_as_wide_as_their_widest_cell_and_four_blanks_apart():
    lines = table_lines(HEADER, [("base", "", "Committed"), ("application", "base", "Active")])
    assert lines == [
        "KEY            PARENT    KIND",
        "base                     Committed",
        "application    base      Active",
    ]


def test_a_table_without_rows_is_its_header():
    assert table_lines(HEADER, []) == ["KEY    PARENT    KIND"]


def test_nothing_is_cut_without_a_width():
    key = "k" * 5000
    assert table_lines(("KEY",), [(key,)]) == ["KEY", key]


def unfolded(lines, widths):
    """The cells of a table of one row, each put together again from its lines."""
    starts = [sum(widths[:column]) + 4 * column for column in range(len(widths))]
    return [
        "".join(line[start : start + width].rstrip() for line in lines[1:])
        for start, width in zip(starts, widths, strict=True)
    ]


def test_names_are_whole_on_a_terminal_while_other_cells_are_cut():
    name, digest = "registry.example.com/team/application:1.2", "sha256:" + "0123456789abcdef" * 4
    lines = table_lines(("NAME", "DIGEST", "SIZE"), [(name, digest, "1.5 MiB")], width=80)
    assert lines[1] == f"{name}    sha256:0123…89abcdef    1.5 MiB".replace(
        "sha256:0123…89abcdef", lines[1][45:69]
    )
    assert "…" in lines[1][45:69]
    assert len(lines[1]) == 80


def test_names_fold_on_a_terminal_that_is_too_narrow():
    key, parent = "sha256:" + "f" * 60 + "0042", "sha256:" + "0123456789abcdef" * 4
    lines = table_lines(HEADER, [(key, parent, "Committed")], width=77, whole=2)
    assert unfolded(lines, [30, 30, 9]) == [key, parent, "Committed"]
    assert max(map(len, lines)) <= 77


def test_cells_stay_readable_on_a_narrow_terminal():
    lines = table_lines(("KEY", "LABELS"), [("k" * 50, "l" * 50)], width=10)
    assert lines[1] == "kkkkkkkkkkkk    llllll…lllll"
    assert unfolded(lines, [12, 12])[0] == "k" * 50


def test_wide_characters_take_two_columns():
    lines = table_lines(("KEY", "KIND"), [("層", "Active"), ("abcd", "View")])
    assert lines == ["KEY     KIND", "層      Active", "abcd    View"]


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=5))
def test_every_row_is_one_line_in_a_pipe(rows):
    assert len(table_lines(HEADER, rows)) == len(rows) + 1


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=5), st.none() | st.integers(1, 200), st.integers(1, 3))
def test_every_line_has_visible_characters_only(rows, width, whole):
    lines = table_lines(HEADER, rows, width, whole)
    assert width is None or max(map(display_width, lines)) <= max(width, 3 * 12 + 8)
    assert all(line.isprintable() for line in lines)


@given(TEXTS, TEXTS)
def test_different_keys_look_different(one, other):
    assert (escape(one) == escape(other)) == (one == other)


def test_control_characters_are_escaped_as_python_writes_them():
    assert escape("a\nb\x1b[31m\\n\u202e") == r"a\nb\x1b[31m\\n\u202e"


def test_a_message_keeps_its_backslashes():
    assert one_line("lowerdir=/a\\:b\nnext") == r"lowerdir=/a\:b\nnext"


@given(TEXTS.map(one_line), st.integers(3, 50))
def test_a_shortened_text_fits(text, width):
    assert display_width(shorten(text, width)) <= max(width, 3)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 30, "3.0 GiB"),
        (1 << 40, "1.0 TiB"),
        (1 << 50, "1.0 PiB"),
        (2**63 - 1, "8.0 EiB"),
    ],
)
def test_sizes_are_counted_in_powers_of_1024(size, text):
    assert binary_size(size) == text


def test_text_is_printed_as_utf_8_whatever_the_locale():
    assert printed(write, "層…") == "層…\n".encode()


def test_a_path_that_is_not_unicode_is_printed_as_its_bytes():
    assert printed(write, os.fsdecode(b"/mnt/\xff")) == b"/mnt/\xff\n"


@given(st.dictionaries(TEXTS, TEXTS))
def test_json_is_exact(document):
    assert json.loads(printed(write_json, document)) == document


def test_json_is_indented_with_four_blanks():
    assert printed(write_json, {"Kind": "Active"}) == b'{\n    "Kind": "Active"\n}\n'
