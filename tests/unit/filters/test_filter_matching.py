"""Matching of filters."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.filters import parse, quote

NAMES = st.sampled_from(["name", "labels", "a b", "containerd.io/gc.root", "é", '"', "\\", ",", ""])
VALUES = st.sampled_from(["", "foo", "bar", "o", "a,b", '"x"', "\n", "\0", "\ufffd"]) | st.text(max_size=3)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
SELECTORS = st.tuples(PATHS, st.sampled_from(["", "==", "!=", "~="]), VALUES)
TREES = st.lists(st.lists(SELECTORS, max_size=4), max_size=4)
OBJECTS = st.dictionaries(PATHS, VALUES, max_size=5)

Selector = tuple[tuple[str, ...], str, str]


def render(selector: Selector) -> str:
    path, operator, value = selector
    if operator == "~=":
        # Every character is escaped by its number.
        value = "".join(f"\\x{{{ord(character):x}}}" for character in value)
    return ".".join(map(quote, path)) + operator + (quote(value) if operator else "")


def holds(selector: Selector, fields: dict[tuple[str, ...], str]) -> bool:
    path, operator, value = selector
    return {
        "": path in fields,
        "==": fields.get(path) == value,
        "!=": fields.get(path, "") != value,
        "~=": value in fields.get(path, ""),
    }[operator]


@given(TREES, OBJECTS)
def test_a_rendered_filter_matches_like_its_selectors(
    tree: list[list[Selector]], fields: dict[tuple[str, ...], str]
) -> None:
    filter_ = parse(*(",".join(map(render, selectors)) for selectors in tree))
    meant = not tree or any(all(holds(selector, fields) for selector in selectors) for selectors in tree)
    assert filter_.match(fields.get) == meant


@given(st.text())
def test_quoted_text_round_trips(text: str) -> None:
    assert parse(f"field=={quote(text)}").match(lambda _: text)
    assert parse(f"{quote(text)}").match(lambda path: "" if path == (text,) else None)


@given(st.text())
def test_quoted_text_is_printable(text: str) -> None:
    assert quote(text).isprintable()


def test_bytes_that_are_not_utf8_match_their_surrogate_escapes() -> None:
    assert parse(r'name=="\xff"').match(lambda _: "\udcff")


def test_an_invalid_expression_parses_warns_once_and_matches_nothing(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """containerd warns at each match; once for each filter is enough."""
    filter_ = parse('labels.foo~="("')
    with caplog.at_level(logging.WARNING):
        assert not filter_.match(lambda _: "(")
        assert not filter_.match(lambda _: "")
    assert caplog.messages == ["filter on labels.foo matches nothing: missing ): ("]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("expression", [r"name~=(?=foo)", r"name~=(f)\1", r'name~="\xff"'])
def test_unsupported_regular_expressions_match_nothing(expression: str) -> None:
    assert not parse(expression).match(lambda _: "foo")


def test_an_expression_prone_to_backtracking_is_fast() -> None:
    """RE2 takes time linear in the value; a backtracking engine would not return."""
    assert not parse("name~=^(a+)+$").match(lambda _: "a" * 100_000 + "b")


def test_an_expression_matches_any_text() -> None:
    assert parse("name~=o").match(lambda _: "\ud800o\udcff\0")


def test_a_field_is_looked_up_by_its_whole_path() -> None:
    asked: list[tuple[str, ...]] = []
    parse('labels."a.b".c').match(asked.append)
    assert asked == [("labels", "a.b", "c")]
