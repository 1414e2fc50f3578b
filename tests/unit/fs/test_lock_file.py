from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import LockHeld, NotFound
from lamina.fs import Lock, _lock
from tests.support.trees import open_files

HOLDER = """
import sys
from lamina.fs import Lock
lock = Lock.acquire(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""
HEIR = """
import os, sys
from lamina.fs import Lock
lock = Lock.acquire(sys.argv[1])
if os.fork():
    os._exit(0)
print("held", flush=True)
sys.stdin.read()
"""
"""Leaves the lock to a child, as a process does that is killed while it starts another."""


@contextlib.contextmanager
def inherited(path: Path, *, waited: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """A lock whose holder has ended, and was waited for, and whose child lets go of it at the end of its input."""
    command = [sys.executable, "-c", HEIR, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
        if waited:
            holder.wait()
        yield holder


def test_the_file_is_private_and_holds_the_pid(tmp_path: Path) -> None:
    with Lock.acquire(str(tmp_path / "lock")):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_second_holder_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with Lock.acquire(str(tmp_path / "lock")), pytest.raises(LockHeld):
        Lock.acquire(str(tmp_path / "lock"))


def test_the_refusal_names_the_file_the_holder_and_the_remedy(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    command = [sys.executable, "-c", HOLDER, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld) as caught:
            Lock.acquire(path)
        holder.kill()
    assert str(caught.value) == (
        f"{path} is locked by process {holder.pid}; stop that process, or use another directory"
    )
    Lock.acquire(path).close()  # the kernel released it with the process


def test_the_refusal_says_that_this_process_holds_the_lock(tmp_path: Path) -> None:
    with Lock.acquire(str(tmp_path / "lock")), pytest.raises(LockHeld) as caught:
        Lock.acquire(str(tmp_path / "lock"))
    assert f"process {os.getpid()}, which is this one; close the other holder, or use another" in str(caught.value)


def test_a_holder_that_has_not_written_its_pid_yet_is_another_process(tmp_path: Path) -> None:
    with Lock.acquire(str(tmp_path / "lock")):
        os.truncate(tmp_path / "lock", 0)
        with pytest.raises(LockHeld, match="locked by another process"):
            Lock.acquire(str(tmp_path / "lock"))


def test_a_shorter_pid_replaces_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1234567890123\n")
    with Lock.acquire(str(tmp_path / "lock")):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_close_releases_the_lock_keeps_the_file_and_may_be_repeated(tmp_path: Path) -> None:
    lock = Lock.acquire(str(tmp_path / "lock"))
    lock.close()
    assert (tmp_path / "lock").exists()
    with Lock.acquire(str(tmp_path / "lock")):
        lock.close()  # does not release the other holder's lock
        with pytest.raises(LockHeld):
            Lock.acquire(str(tmp_path / "lock"))


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = Lock.acquire(str(tmp_path / "lock"))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        lock.close()
        Lock.acquire(str(tmp_path / "lock")).close()


@pytest.mark.parametrize("waited", [True, False])
def test_a_lock_whose_holder_was_killed_is_taken_once_its_child_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited: bool
) -> None:
    """The parent of the holder may have waited for it, or not."""
    runs = _lock._runs
    with inherited(tmp_path / "lock", waited=waited) as holder:
        kept = holder.stdin
        assert kept

        def let_go_and_look(pid: int) -> bool:
            kept.close()
            return runs(pid)

        monkeypatch.setattr(_lock, "_SECONDS", 60.0)  # the child may end late on a busy machine
        monkeypatch.setattr(_lock, "_runs", let_go_and_look)
        Lock.acquire(str(tmp_path / "lock")).close()
        assert kept.closed


def test_a_lock_that_a_child_of_its_killed_holder_keeps_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lock, "_SECONDS", 0.1)
    with inherited(tmp_path / "lock"), pytest.raises(LockHeld, match="locked by another process"):
        Lock.acquire(str(tmp_path / "lock"))


def test_an_interrupt_of_the_wait_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(_lock, "_runs", interrupt)
    with inherited(tmp_path / "lock"):
        before = open_files()
        with pytest.raises(KeyboardInterrupt):
            Lock.acquire(str(tmp_path / "lock"))
        assert open_files() == before


def test_a_missing_directory_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="missing/lock"):
        Lock.acquire(str(tmp_path / "missing/lock"))
