"""Waiting writers share a commit; failures, interrupts and cancellations affect only their own writer."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import AlreadyExists, Canceled, Error, NotFound, Unavailable
from lamina.snapshots import Info, Kind
from lamina.snapshots.storage import Keyspace, MetaStore, Record
from lamina.steps import Request, run
from lamina.store._pending import Body, Transaction
from tests.support.waiting import wait_until

SECONDS = 60


def test_writers_that_fail_in_a_shared_commit_fail_alone(keyspace: Keyspace) -> None:
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, "taken", "", {})))
    keys = [f"free{number}" if number % 2 else "taken" for number in range(64)]
    with ThreadPoolExecutor(16) as pool:
        drafts = {key: keyspace.draft(Kind.ACTIVE, key, "", {}) for key in keys if key != "taken"}
        taken = Record(keyspace._reserve_id(), Info("taken", Kind.ACTIVE))

        def attempt(key: str) -> type[Error] | None:
            try:
                run(keyspace.create(drafts.get(key, taken)))
            except Error as error:
                return type(error)
            return None

        outcomes = list(pool.map(attempt, keys))
    assert outcomes == [None if key != "taken" else AlreadyExists for key in keys]
    assert {record.info.name for record in keyspace.walk()} == {"taken", *drafts}


def test_writers_that_wait_together_share_a_commit(store: MetaStore) -> None:
    """Writers that arrive during a commit wait, and share the next transaction."""
    environment = store._environment
    started, proceed = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        started.set()
        assert proceed.wait(SECONDS)

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(environment.write, hold)
        assert started.wait(SECONDS)
        ids = [pool.submit(environment.write, lambda txn: txn.put(b"x", b"y") and txn.id()) for _ in range(8)]
        wait_until(lambda: len(environment._commits._waiting) == 8, SECONDS, "the others wait")
        proceed.set()
        first.result()
        assert len({future.result() for future in ids}) == 1


def test_a_cancelled_operation_has_no_effect(keyspace: Keyspace) -> None:
    draft = keyspace.draft(Kind.ACTIVE, "a", "", {})
    with use(CallContext(cancelled=True)), pytest.raises(Canceled):
        run(keyspace.create(draft))
    with pytest.raises(NotFound):
        keyspace.get("a")


def test_batched_operations_share_a_commit_and_fail_separately(store: MetaStore) -> None:
    environment = store._environment

    def put(key: bytes) -> Request[Body]:
        return Request(environment, lambda transaction: transaction.put(key, b"value"))

    def refuse(transaction: Transaction) -> None:
        transaction.put(b"refused", b"value")
        raise NotFound("not this one")

    def transactions() -> int:
        return environment.read(lambda transaction: transaction.id())

    requests = [put(b"one"), Request(environment, refuse), put(b"two")]
    before = transactions()
    environment.perform(requests)
    assert transactions() == before + 1
    assert [(request.result, str(request.error)) for request in requests] == [
        (True, "None"),
        (None, "not this one"),
        (True, "None"),
    ]
    keys = (b"one", b"refused", b"two")
    found = environment.read(lambda transaction: [transaction.get(key) for key in keys])
    assert found == [b"value", None, b"value"]


def test_operations_on_a_closed_store_fail_with_separate_errors(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path))
    environment = store._environment
    store.close()
    requests = [Request(environment, lambda transaction: transaction.id()) for _ in range(2)]
    environment.perform(requests)
    assert [type(request.error) for request in requests] == [Unavailable, Unavailable]
    assert requests[0].error is not requests[1].error


INTERRUPTED = """
import os, signal, sys, threading
from lamina.errdefs import Canceled
from lamina.store._environment import Environment

armed = False

def interrupted(number, frame):
    if armed:  # elsewhere it would not be caught
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupted)
environment = Environment(sys.argv[1])
finished = threading.Event()

def write(count):
    for number in range(count):
        environment.write(lambda transaction: transaction.put(b"key", b"value"))

def interrupt():
    while not finished.wait(0.002):
        os.kill(os.getpid(), signal.SIGINT)

threads = [threading.Thread(target=write, args=(400,)) for _ in range(2)]
for thread in threads:
    thread.start()
interrupting = threading.Thread(target=interrupt)
interrupting.start()
for _ in range(400):
    armed = True
    try:
        environment.write(lambda transaction: transaction.put(b"own", b"value"))
    except (KeyboardInterrupt, Canceled):
        pass
    armed = False
finished.set()
interrupting.join()
for thread in threads:
    thread.join()
print("all done")
"""


def test_ctrl_c_in_one_writer_does_not_block_others(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "all done\n", done.stderr
