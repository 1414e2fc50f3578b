"""What registries say about errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.registry._json import parse_object
from lamina.registry._refusals import explanation

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["errors", "code", "message", "detail"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"errors": [{"code": "NAME_UNKNOWN", "message": "no such name", "detail": {"a": 1}}]},
            "NAME_UNKNOWN: no such name",
        ),
        ({"errors": [{"code": "A"}, {"message": "b"}]}, "A; b"),
        ({"errors": [{"code": str(number)} for number in range(9)]}, "0; 1; 2"),
        ({"message": "no", "code": 7}, "no"),
        ({"errors": "no"}, ""),
        ({"errors": [None, 1, "x", [], {}]}, ""),
        ({"errors": [{"code": {"a": 1}, "message": ["b"]}]}, ""),
        ({"errors": [{"code": "A\x1b[2J\nB"}]}, "A [2J B"),
        ([], ""),
        ("text", ""),
    ],
)
def test_what_is_said_is_found(document: object, expected: str) -> None:
    assert explanation(json.dumps(document).encode()) == expected


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000]
)
def test_what_is_no_object_says_nothing(body: bytes) -> None:
    assert parse_object(body) is None
    assert explanation(body) == ""


def test_long_texts_are_shortened() -> None:
    text = explanation(json.dumps({"message": "x" * 10_000}).encode())
    assert text == "x" * 300 + "…"


@given(JSON)
def test_any_shape_is_read_without_an_error(document: object) -> None:
    text = explanation(json.dumps(document).encode())
    assert text.isprintable()
    assert len(text) <= 301


def test_secrets_are_left_out_before_a_text_is_shortened() -> None:
    body = json.dumps({"errors": [{"code": "x" * 290, "message": "a secret that is long"}]}).encode()
    assert explanation(body, ["a secret that is long"]) == "x" * 290 + ": …"
