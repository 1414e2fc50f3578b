"""`initialise` with a deadline: a late init is left behind and cut off."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from lamina.context import CallContext, current, use
from lamina.errdefs import FailedPrecondition, LeftBehind
from lamina.plugin import InitContext, Meta, Plugin, Status
from tests.support.plugins.hanging import Hanging
from tests.support.plugins.initialising import Host, Init, works


@pytest.fixture
def host() -> Host:
    return Host()


def thread_of(plugin: Plugin) -> threading.Thread:
    assert isinstance(plugin.error, LeftBehind)
    assert plugin.error.thread is not None
    return plugin.error.thread


def test_an_init_within_its_deadline_sees_the_call_context(host: Host) -> None:
    context = CallContext()
    with use(context):
        assert host.run("t.one", lambda _: current(), seconds=60).instance is context


def test_an_init_past_its_deadline_is_a_failure_at_the_line_where_it_hangs(host: Host, hang: Hanging) -> None:
    def late(ic: InitContext[Any]) -> object:
        ic.meta.capabilities.append("early")
        return hang()

    plugin = host.run("t.one", late, seconds=0.01)
    assert (plugin.status, plugin.instance, plugin.meta) == (Status.FAILED, None, Meta())
    assert plugin.problem == "init did not end within 0.01 s and was left behind"
    assert plugin.location is not None
    assert plugin.location.function.endswith("Hanging.__call__")
    assert host.run("u.one", works, "t").status is Status.BLOCKED
    hang.release.set()
    thread_of(plugin).join(60)


def test_the_instance_of_a_late_init_is_closed(
    host: Host, hang: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    closed = threading.Event()

    class Late:
        def close(self) -> None:
            closed.set()

    def late(_: InitContext[Any]) -> object:
        hang()
        return Late()

    plugin = host.run("t.one", late, seconds=0.01)
    assert not closed.is_set()
    hang.release.set()
    thread_of(plugin).join(60)
    assert closed.is_set()
    assert [record.getMessage() for record in caplog.records] == ["closed plugin whose init missed its deadline"]


def test_a_failure_to_close_the_instance_of_a_late_init_is_logged(
    host: Host, hang: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    class Late:
        def close(self) -> None:
            raise OSError("no")

    def late(_: InitContext[Any]) -> object:
        hang()
        return Late()

    plugin = host.run("t.one", late, seconds=0.01)
    hang.release.set()
    thread_of(plugin).join(60)
    assert [(record.getMessage(), vars(record)["error"]) for record in caplog.records] == [
        ("failed to close plugin", "no")
    ]


@pytest.mark.parametrize(
    "reach",
    [
        lambda ic: ic.get_single("a"),
        lambda ic: ic.get_by_type("a"),
        lambda ic: ic.get_by_id("a", "one"),
        lambda ic: ic.get_all(),
        lambda ic: ic.register_readiness(),
    ],
)
def test_a_late_init_is_cut_off(host: Host, hang: Hanging, reach: Init) -> None:
    raised: list[BaseException] = []

    def late(ic: InitContext[Any]) -> object:
        hang()
        try:
            return reach(ic)
        except BaseException as error:
            raised.append(error)
            raise

    host.run("a.one", works)
    plugin = host.run("t.one", late, seconds=0.01)
    hang.release.set()
    thread_of(plugin).join(60)
    assert [str(error) for error in raised] == ["t.one was left behind: its init did not end in time"]
    assert isinstance(raised[0], FailedPrecondition)
    assert host.readiness.pending() == ()


def test_an_interrupt_that_a_plugin_raises_in_its_thread_is_its_failure(host: Host) -> None:
    def init(_: InitContext[Any]) -> object:
        raise KeyboardInterrupt

    assert host.run("t.one", init, seconds=60).problem == "KeyboardInterrupt: "


def test_a_plugin_fails_if_no_thread_can_be_started(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    plugin = host.run("t.one", works, seconds=60)
    assert (plugin.status, plugin.problem) == (Status.FAILED, "RuntimeError: can't start new thread")
