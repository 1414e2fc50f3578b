"""Durations are read and written as Go does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.duration import Duration
from lamina.errdefs import InvalidArgument


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("100ms", 0.1),
        ("1m30s", 90),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("5.s", 5),
        ("1h0m0.25s", 3600.25),
        ("-2m", -120),
        ("+3s", 3),
        ("7us", 7e-6),
        ("7µs", 7e-6),
        ("7\u03bcs", 7e-6),
        ("1ns", 1e-9),
        ("2m1h", 3720),
    ],
)
def test_durations_are_parsed_as_in_go(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "1", "s", ".s", "1 s", "1m 30s", "1d", "--1s", "-", "1e3s", "1s ", "٣s", "999999999h"]
)
def test_durations_are_refused_as_in_go(text: str) -> None:
    with pytest.raises(InvalidArgument, match="duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1e-9, "1ns"),
        (1.5e-6, "1.5µs"),
        (0.1, "100ms"),
        (0.0015, "1.5ms"),
        (1, "1s"),
        (60, "1m0s"),
        (90.25, "1m30.25s"),
        (3600, "1h0m0s"),
        (-1.5, "-1.5s"),
    ],
)
def test_prints_as_go_prints(seconds: float, text: str) -> None:
    assert str(Duration(seconds)) == text


@given(st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1))
def test_printed_durations_round_trip(nanoseconds: int) -> None:
    duration = Duration(nanoseconds / 10**9)
    if abs(duration) < 2**63 / 10**9:
        assert Duration.parse(str(duration)) == duration
