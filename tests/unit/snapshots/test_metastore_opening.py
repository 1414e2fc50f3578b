"""Opening and reopening of a metastore."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, FailedPrecondition, LockHeld, Unavailable
from lamina.snapshots import Kind
from lamina.snapshots.storage import Keyspace, MetaStore
from lamina.steps import run


def create(keyspace: Keyspace, key: str) -> None:
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, key, "", {})))


def test_acknowledged_records_survive_a_kill(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from lamina.snapshots.storage import MetaStore\n"
        "from lamina.snapshots import Kind\n"
        "from lamina.steps import run\n"
        "space = MetaStore.open(sys.argv[1]).snapshotter('overlayfs').keyspace('lamina')\n"
        "number = 0\n"
        "while True:\n"
        "    run(space.create(space.draft(Kind.ACTIVE, str(number), '', {})))\n"
        "    print(number, flush=True)\n"
        "    number += 1\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == 200:
                break
        child.kill()
        acknowledged = 200 + sum(1 for _ in child.stdout)
    store = MetaStore.open(str(tmp_path))
    keys = {record.info.name for record in store.snapshotter("overlayfs").keyspace("lamina").walk()}
    store.close()
    assert {str(number) for number in range(acknowledged + 1)} <= keys
    assert len(keys) <= acknowledged + 2


def test_a_second_process_is_refused_with_the_holder(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path))
    program = (
        "import sys; from lamina.errdefs import LockHeld; from lamina.snapshots.storage import MetaStore\n"
        "try: MetaStore.open(sys.argv[1])\n"
        "except LockHeld as error: print(error)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    store.close()
    assert str(os.getpid()) in output


def test_the_same_process_is_refused_a_second_opening(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path))
    with pytest.raises(LockHeld):
        MetaStore.open(str(tmp_path))
    store.close()


def test_a_forked_child_is_refused(store: MetaStore, keyspace: Keyspace) -> None:
    create(keyspace, "a")
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            keyspace.get("a")
            os.write(write_end, b"served")
        except FailedPrecondition as error:
            os.write(write_end, str(error).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        message = pipe.read()
    os.waitpid(pid, 0)
    assert "must not be used in its child" in message


def test_a_file_that_is_not_a_store_is_reported_as_damaged(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(DataLoss, match="damaged"):
        MetaStore.open(str(tmp_path))


def test_a_closed_store_refuses_calls_and_can_be_closed_again(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path))
    keyspace = store.snapshotter("overlayfs").keyspace("lamina")
    store.close()
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        keyspace.get("a")


def test_the_uuid_belongs_to_the_store(tmp_path: Path) -> None:
    uuids = []
    for name in ("one", "one", "two"):
        store = MetaStore.open(str(tmp_path / name))
        uuids.append(store.uuid)
        store.close()
    assert uuids[0] == uuids[1] != uuids[2]


def test_a_truncated_file_is_reported_as_damaged_without_a_signal(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path))
    keyspace = store.snapshotter("overlayfs").keyspace("lamina")
    for number in range(200):
        create(keyspace, f"{number}")
    store.close()
    os.truncate(tmp_path / "data.mdb", 8192)
    with pytest.raises(DataLoss, match="damaged"):
        MetaStore.open(str(tmp_path)).snapshotter("overlayfs")
