"""Mutual exclusion by key."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lamina.snapshots.local._keyed_lock import KeyedLock

SECONDS = 10


def test_blocks_with_the_same_key_exclude_each_other() -> None:
    lock, inside, most = KeyedLock(), 0, 0

    def work(_: int) -> None:
        nonlocal inside, most
        with lock.hold("key"):
            inside += 1
            most = max(most, inside)
            inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1000)))
    assert (inside, most) == (0, 1)


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
