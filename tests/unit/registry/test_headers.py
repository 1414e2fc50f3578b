"""Headers that registries send: `Retry-After`, `Content-Range`, `Range`."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.registry._ranges import content_range, uploaded
from lamina.registry.http import parse_retry_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        (" 120 ", 120),
        (email.utils.formatdate(NOW + 30, usegmt=True), 30),
        (email.utils.formatdate(NOW - 30, usegmt=True), 0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 100, None),
        ("٣", None),
        ("Mon, 99 Foo 2024 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, expected: float | None) -> None:
    assert parse_retry_after(text, NOW) == expected


@given(st.text(max_size=60))
def test_any_retry_after_is_read_without_an_error(text: str) -> None:
    found = parse_retry_after(text, NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 5-9/10", (5, 9)),
        ("bytes 5-9/*", (5, 9)),
        ("bytes=5-9/10", (5, 9)),
        ("bytes */10", None),
        ("5-9/10", None),
        ("lines 5-9/10", None),
        ("bytes 5-/10", None),
        ("bytes -9/10", None),
        ("bytes ٣-9/10", None),
        ("", None),
    ],
)
def test_a_content_range_has_two_positions(text: str, expected: tuple[int, int] | None) -> None:
    assert content_range(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-99", 99),
        ("bytes=0-99", 99),
        ("0-0", 0),
        ("1-99", None),
        ("0-", None),
        ("", None),
        ("0-" + "9" * 30, None),
    ],
)
def test_a_range_of_an_upload_begins_at_its_beginning(text: str, expected: int | None) -> None:
    assert uploaded(text) == expected


@given(st.text(max_size=40))
def test_any_range_is_read_without_an_error(text: str) -> None:
    content_range(text)
    uploaded(text)
