"""Blobs arrive while something waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from lamina.context import current
from lamina.errdefs import Canceled, NotFound, Unavailable
from lamina.images.unpack import Arrivals, arriving

SECONDS = 60.0


def test_blobs_that_are_not_expected_are_there() -> None:
    assert Arrivals(["a"]).of("b").result(SECONDS) is None
    assert not Arrivals(["a"]).of("a").done()


def test_a_blob_is_waited_for() -> None:
    seen = threading.Event()

    def bring(stored: Callable[[str], object]) -> None:
        stored("a")
        seen.wait(SECONDS)
        stored("b")

    with arriving(["a", "b"], bring) as arrivals:
        arrivals.of("a").result(SECONDS)
        assert not arrivals.of("b").done()
        seen.set()
        arrivals.of("b").result(SECONDS)


def test_who_waits_learns_why_a_blob_does_not_arrive() -> None:
    def bring(stored: Callable[[str], object]) -> None:
        stored("a")
        raise Unavailable("the registry is gone")

    with pytest.raises(Unavailable, match="gone"), arriving(["a", "b"], bring) as arrivals:
        _ = [arrivals.of(digest).result(SECONDS) for digest in "ab"]


def test_the_rest_is_waited_for_and_its_error_raised() -> None:
    def bring(stored: Callable[[str], object]) -> None:
        raise Unavailable("the registry is gone")

    with pytest.raises(Unavailable, match="gone"), arriving(["a"], bring):
        pass


def test_what_brings_blobs_is_cancelled_when_nobody_wants_them_any_more() -> None:
    ended: list[Exception] = []

    def bring(stored: Callable[[str], object]) -> None:
        cancelled = threading.Event()
        current().on_cancel(cancelled.set)
        cancelled.wait(SECONDS)
        try:
            current().check()
        except Canceled as error:
            ended.append(error)
            raise

    with pytest.raises(NotFound, match="mine"), arriving(["a"], bring):
        raise NotFound("mine")
    assert len(ended) == 1
