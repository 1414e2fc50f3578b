"""Histograms."""

from __future__ import annotations

import pytest

from lamina.metrics import Histogram


def test_a_number_belongs_to_the_first_bucket_whose_bound_it_does_not_exceed():
    histogram = Histogram((1.0, 10.0))
    for number in (0.5, 1.0, 1.5, 10.0, 11.0, 12.0):
        histogram.observe(number)
    assert histogram.counts == [2, 2, 2]
    assert (histogram.count, histogram.total) == (6, 36.0)


def test_a_copy_is_not_updated():
    histogram = Histogram((1.0,))
    histogram.observe(1)
    copy = histogram.copy()
    histogram.observe(2)
    assert (copy.counts, copy.total) == ([1, 0], 1)


def test_histograms_with_equal_bounds_can_be_added():
    one, other = Histogram((1.0,)), Histogram((1.0,))
    one.observe(1)
    other.observe(5)
    one.add(other)
    assert (one.counts, one.total) == ([1, 1], 6)


def test_histograms_with_different_bounds_cannot_be_added():
    with pytest.raises(ValueError, match="longer"):
        Histogram((1.0,)).add(Histogram((1.0, 2.0)))
