"""`close_all`."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable

import attrs
import pytest

from lamina.errdefs import DeadlineExceeded
from lamina.plugin import Plugin, Status, close_all
from tests.support.plugins.hanging import Hanging


@attrs.define
class Closes:
    close: Callable[[], object]


def plugin(name: str, close: Callable[[], object]) -> Plugin:
    return Plugin(type="t", id=name, instance=Closes(close))


def test_the_last_initialised_is_closed_first() -> None:
    closed: list[str] = []
    plugins = [plugin(name, lambda name=name: closed.append(name)) for name in "abc"]
    assert close_all(plugins, 60) == {}
    assert closed == ["c", "b", "a"]


def test_plugins_without_close_or_instance_are_skipped() -> None:
    failed = Plugin(type="t", id="failed", status=Status.FAILED, error=OSError())
    assert close_all([failed, Plugin(type="t", id="plain", instance={})], 60) == {}


def test_a_rejected_instance_is_closed() -> None:
    closed: list[str] = []
    refused = Plugin(
        type="t", id="x", status=Status.FAILED, error=OSError(), instance=Closes(lambda: closed.append("x"))
    )
    assert close_all([refused], 60) == {}
    assert closed == ["x"]


def test_an_error_is_logged_and_reported_and_the_rest_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []
    plugins = [
        plugin("first", lambda: closed.append("first")),
        plugin("raises", lambda: 1 // 0),
        plugin("exits", sys.exit),
    ]
    with caplog.at_level(logging.ERROR):
        problems = close_all(plugins, 60)
    assert {uri: type(error) for uri, error in problems.items()} == {
        "t.exits": SystemExit,
        "t.raises": ZeroDivisionError,
    }
    assert closed == ["first"]
    assert [record.getMessage() for record in caplog.records] == ["failed to close plugin"] * 2


def test_an_error_whose_text_cannot_be_read_is_logged_and_the_rest_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fails() -> None:
        raise Mute

    closed: list[str] = []
    close_all([plugin("first", lambda: closed.append("first")), plugin("fails", fails)], 60)
    assert closed == ["first"]
    assert vars(caplog.records[0])["error"] == "<Mute whose text cannot be read>"


def test_a_hanging_close_is_left_behind_and_the_rest_is_closed(hang: Hanging) -> None:
    closed: list[str] = []
    ended = threading.Event()

    def close() -> None:
        hang()
        ended.set()

    problems = close_all([plugin("first", lambda: closed.append("first")), plugin("hangs", close)], 0.01)
    hang.release.set()
    assert isinstance(problems["t.hangs"], DeadlineExceeded)
    assert str(problems["t.hangs"]) == "close did not end within 0.01 s and was left behind"
    assert closed == ["first"]
    assert ended.wait(60)
