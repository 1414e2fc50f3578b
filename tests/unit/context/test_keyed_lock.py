"""Mutual exclusion by key."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lamina.context import CallContext, KeyedLock, use
from lamina.errdefs import Canceled

SECONDS = 60


def test_blocks_with_the_same_key_exclude_each_other() -> None:
    lock, meeting = KeyedLock(), threading.Barrier(2)

    def meets(_: int) -> bool:
        """Whether another thread comes into the block while this one is in it."""
        with lock.hold("key"):
            try:
                meeting.wait(0.5)
            except threading.BrokenBarrierError:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(meets, range(2))) == [False, False]


def test_other_keys_do_not_wait() -> None:
    lock, reached = KeyedLock(), threading.Event()

    def work() -> None:
        with lock.hold(("b",)):
            reached.set()

    with lock.hold(("a",)):
        thread = threading.Thread(target=work)
        thread.start()
        assert reached.wait(SECONDS)
        thread.join(SECONDS)


def test_a_key_is_forgotten_after_its_block_even_on_an_error() -> None:
    lock = KeyedLock()
    with pytest.raises(RuntimeError), lock.hold("key"):
        raise RuntimeError
    assert lock._entries == {}
    with lock.hold("key"):
        pass


def test_a_wait_ends_with_its_call() -> None:
    lock, context = KeyedLock(), CallContext()

    def work() -> None:
        with use(context), lock.hold("key"):
            pass

    with lock.hold("key"), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(work)
        context.cancel()
        with pytest.raises(Canceled):
            waiting.result(SECONDS)
    assert lock._entries == {}


def test_a_key_is_not_waited_for_if_it_is_only_tried() -> None:
    lock = KeyedLock()
    with lock.try_hold("key") as is_first:
        with ThreadPoolExecutor(1) as pool:
            assert not pool.submit(tried, lock).result(SECONDS)
        assert is_first
    assert tried(lock)
    assert lock._entries == {}


def tried(lock: KeyedLock) -> bool:
    with lock.try_hold("key") as is_held:
        return is_held
