"""Every key of a TOML document is found on its line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tomli
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from lamina.config._problems import KeyPath, dotted
from lamina.config.reading._positions import key_lines, parse_key, written_keys
from lamina.errdefs import InvalidArgument

SPELLINGS = '''\
# a comment with [brackets] = and "quotes
title = "a \\" ] # quoted"   # [not.a.table]
'quoted # key' = 'C:\\'
"esc\\u0061ped" = 1
a.b . "c.d" = 1979-05-27 07:32:00
text = """
[not.a.table]
key = "no" \\""" and ""\\
still = no"""""
raw = \'\'\'
[[nor.this]] \'\'
x = 1\'\'\'\'\'
numbers = [
  1, # ]
  [ "x]", 'y,' ],
  { n = 1, "m.k" = [2] },
]
inline = { x = 1, y.z = { w = "}" } }
empty = {}
[table]
k = true
[table."sub.table".'deep']
[  spaced . "out"  ]
[[list]]
name = 1
[list.inner]
k = 1
[[list.more]]
[[list]] # second
name = 2
[[list.more]]
k = 1
[[list.more]]
k = 2
[late.implicit]
[late]
k = 1'''

LINES = {
    "title": 2,
    '"quoted # key"': 3,
    "escaped": 4,
    "a": 5,
    'a.b."c.d"': 5,
    "text": 6,
    "raw": 10,
    "numbers": 13,
    "numbers[0]": 14,
    "numbers[1]": 15,
    "numbers[1][1]": 15,
    "numbers[2].n": 16,
    'numbers[2]."m.k"[0]': 16,
    "inline.y.z.w": 18,
    "empty": 19,
    "table": 20,
    "table.k": 21,
    'table."sub.table".deep': 22,
    "spaced.out": 23,
    "list": 24,
    "list[0].name": 25,
    "list[0].inner.k": 27,
    "list[0].more[0]": 28,
    "list[1]": 29,
    "list[1].name": 30,
    "list[1].more[0].k": 32,
    "list[1].more[1].k": 34,
    "late.implicit": 35,
    "late": 36,
    "late.k": 37,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_spelling_of_toml_is_handled(newline: str) -> None:
    text = SPELLINGS.replace("\n", newline)
    tomli.loads(text)
    found = {dotted(path): line for path, line in key_lines(text).items()}
    assert {key: found.get(key) for key in LINES} == LINES


def test_the_index_has_exactly_the_keys_of_the_document() -> None:
    assert set(key_lines(SPELLINGS)) == set(_paths(tomli.loads(SPELLINGS)))


def test_an_empty_document_has_no_keys() -> None:
    assert key_lines("") == {}


names = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["a", "b", "a.b", "1", ""])
values = st.recursive(
    st.booleans()
    | st.integers(-1000, 1000)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.dates()
    | st.text("\"'\\\n[]{}=#, ab", max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(names, values, max_size=6), st.booleans())
def test_each_line_of_a_random_document_holds_its_key(tables: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(tables, multiline_strings=multiline)
    tables = tomli.loads(text)
    index = key_lines(text)
    lines = text.split("\n")
    assert set(index) == set(_paths(tables))
    for path, line in index.items():
        if isinstance(path[-1], str):
            written = tomli_w.dumps({path[-1]: 0}).removesuffix(" = 0\n")
            assert written in lines[line - 1]


@given(st.lists(names, min_size=1, max_size=5))
def test_a_dotted_key_reads_back_from_its_text(parts: list[str]) -> None:
    assert parse_key(dotted(tuple(parts))) == tuple(parts)


@pytest.mark.parametrize("text", ["", "a.", ".a", "a b", "a = 1", 'a."b', "a\nb", "a[0]", '"\\q"'])
def test_an_invalid_dotted_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not a dotted key"):
        parse_key(text)


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    items: Any = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for part, item in items:
        yield from _paths(item, (*path, part))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a = 1 # x\n", [("a", (), "a = 1", True)]),
        ('a . "b.c" = """\nx"""\n', [('a . "b.c"', (), 'a . "b.c" = """\nx"""', True)]),
        ("[ a.b ]\nc = [1,\n2]", [("a.b", (), "a.b ]", True), ("c", ("a", "b"), "c = [1,\n2]", True)]),
        ("[[a]]\nb = 1\n", [("a", (), "a]]", True), ("b", ("a", 0), "b = 1", True)]),
        ("a = { b = 1 }\n", [("a", (), "a = { b = 1 }", True), ("b", ("a",), "b = 1", False)]),
    ],
)
def test_a_written_key_has_its_place_in_the_text(text: str, written: list[tuple[object, ...]]) -> None:
    assert [
        (text[key.start : key.end], key.table, text[key.start : key.value_end].rstrip(), key.movable)
        for key in written_keys(text)
    ] == written
