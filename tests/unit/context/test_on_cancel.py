"""Cancellation of a call context."""

from __future__ import annotations

import functools
import threading

import pytest

from lamina.context import CallContext
from lamina.errdefs import Canceled, Unavailable


def test_a_callback_is_called_once_by_the_cancelling_thread() -> None:
    context = CallContext()
    callers: list[int] = []
    context.on_cancel(lambda: callers.append(threading.get_ident()))
    canceller = threading.Thread(target=context.cancel)
    canceller.start()
    canceller.join()
    context.cancel()
    assert callers == [canceller.ident]


def test_a_callback_of_a_cancelled_call_is_called_at_once() -> None:
    called: list[bool] = []
    CallContext(cancelled=True).on_cancel(lambda: called.append(True))
    assert called == [True]


def test_a_callback_sees_the_call_cancelled() -> None:
    context = CallContext()
    seen: list[bool] = []
    context.on_cancel(lambda: seen.append(context.cancelled))
    context.cancel()
    assert seen == [True]


def test_an_unregistered_callback_is_not_called() -> None:
    context = CallContext()
    called: list[str] = []
    unregister = context.on_cancel(lambda: called.append("first"))
    context.on_cancel(lambda: called.append("second"))
    unregister()
    unregister()
    context.cancel()
    assert called == ["second"]


def test_one_function_may_be_registered_twice() -> None:
    context = CallContext()
    called: list[bool] = []

    def callback() -> None:
        called.append(True)

    unregister = context.on_cancel(callback)
    context.on_cancel(callback)
    unregister()
    context.cancel()
    assert called == [True]


@pytest.mark.parametrize("_", range(20))
def test_every_callback_is_called_once_under_concurrency(_: int) -> None:
    context, start = CallContext(), threading.Barrier(4)
    called: list[int] = []

    def register(first: int) -> None:
        start.wait()
        for number in range(first, first + 20):
            context.on_cancel(functools.partial(called.append, number))

    def cancel() -> None:
        start.wait()
        context.cancel()

    threads = [threading.Thread(target=register, args=(first,)) for first in (0, 20)]
    threads += [threading.Thread(target=cancel) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(called) == list(range(40))


def test_a_cancelled_call_raises_the_first_reason() -> None:
    context = CallContext()
    context.cancel(Unavailable("the host stops"))
    context.cancel()
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"^the host stops$"):
            context.check()


def test_a_call_cancelled_without_a_reason_was_given_up_by_its_caller() -> None:
    context = CallContext()
    context.cancel()
    with pytest.raises(Canceled, match=r"^the caller gave up$"):
        context.check()
