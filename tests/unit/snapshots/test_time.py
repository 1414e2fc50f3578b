from __future__ import annotations

import pytest

from lamina.errdefs import InvalidArgument
from lamina.snapshots import format_time


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (-62_135_596_800 * 10**9, "0001-01-01T00:00:00Z"),
        (253_402_300_800 * 10**9 - 1, "9999-12-31T23:59:59.999999999Z"),
    ],
)
def test_a_time_is_printed_as_go_prints_it(nanoseconds: int, text: str) -> None:
    assert format_time(nanoseconds) == text


@pytest.mark.parametrize("nanoseconds", [-62_135_596_800 * 10**9 - 1, 253_402_300_800 * 10**9])
def test_a_time_outside_of_timestamps_is_refused(nanoseconds: int) -> None:
    with pytest.raises(InvalidArgument, match="years 1 to 9999"):
        format_time(nanoseconds)
