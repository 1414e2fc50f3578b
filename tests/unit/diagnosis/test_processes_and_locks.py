"""Descriptions of processes and lock holders."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lamina.diagnosis import lock, lock_holder, process
from lamina.fs import Lock
from lamina.plugin import Verdict
from tests.support.waiting import wait_until


def test_a_process_is_described_by_command_user_and_start() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        cmdline = Path(f"/proc/{sleeping.pid}/cmdline")
        wait_until(cmdline.read_bytes, 60, "the new process has its arguments")
        found = process(sleeping.pid)
        sleeping.kill()
    assert found is not None
    assert found.command == "sleep 60"
    assert abs(found.started - time.time()) < 60
    assert str(found).startswith(f"process {sleeping.pid} (sleep 60; ")


def test_an_ended_process_is_none() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert process(ended.pid) is None


def test_only_a_process_that_handles_sigusr1_writes_its_stacks() -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        here = process(os.getpid())
        assert here is not None
        assert not here.writes_stacks
        signal.signal(signal.SIGUSR1, lambda *_: None)
        here = process(os.getpid())
        assert here is not None
        assert here.writes_stacks
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_holder_of_a_lock_is_found_without_taking_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with Lock.acquire(path):
        assert lock_holder(path) == os.getpid()
    assert lock_holder(path) is None


COME_AND_GO = """
import fcntl, sys
files = [open(f"{sys.argv[1]}/other{number}", "w") for number in range(20)]
print("begins", flush=True)
while True:
    for operation in (fcntl.LOCK_EX, fcntl.LOCK_UN):
        for file in files:
            fcntl.flock(file, operation)
"""
"""A program that locks and unlocks files again and again."""


def test_a_lock_is_found_among_more_than_a_page_of_others_that_come_and_go(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"lock{number}") for number in range(150)]
    with contextlib.ExitStack() as held:
        for path in paths:
            held.enter_context(Lock.acquire(path))
        command = [sys.executable, "-c", COME_AND_GO, tmp_path]
        others = held.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        held.callback(others.kill)
        assert others.stdout
        assert others.stdout.readline() == b"begins\n"
        assert {lock_holder(path) for _ in range(2) for path in paths} == {os.getpid()}


def test_a_lock_held_by_the_host_is_ok(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert lock("it", path, None).found == f"{path} does not exist: it has not been used yet"
    with Lock.acquire(path):
        assert lock("it", path, os.getpid()).status is Verdict.OK
        assert lock("it", path, None).status is Verdict.PROBLEM
        assert lock("it", path, os.getppid()).status is Verdict.PROBLEM
    assert lock("it", path, os.getpid()).found == f"{path} is not locked"
