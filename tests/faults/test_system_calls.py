"""Fail one system call after another during every mutating operation and a start on a populated root."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

import attrs
import pytest

from tests.support.directories import CHECKOUT
from tests.support.disks.faulted_operations import OPERATIONS
from tests.support.rounds import SEED, rounds
from tests.support.snapshotters.btrfs import mounted_btrfs

pytestmark = pytest.mark.requires("root", "overlay", "btrfs", "strace")

PROGRAM: Final = "tests.support.disks.faulted_operations"
FAULTS: Final = ("signal=SIGKILL", "error=ENOSPC", "error=EIO", "error=EMFILE")
CHOSEN: Final = rounds(40, 1_500)
"""Of some 3,000 possible faults for each backend: all would take an hour, and each run chooses others."""
UNFAULTED: Final = re.compile(
    "brk|clock_nanosleep|clone3?|close|exit|exit_group|futex|getpid|gettid|getrandom|madvise|mmap|mprotect|munmap"
    "|p?poll|prctl|restart_syscall|rseq|rt_sig.*|sched_yield|p?select6?|set_robust_list|sigaltstack|wait4|waitid"
)
"""Calls that change nothing and whose failure tests only Python or libc; a failed `close` still closes."""
_CALL: Final = re.compile(r"(\d+) +(?:\[pid +\d+\] )?(\w+)\(")


@attrs.frozen
class Fault:
    """A fault in one system call of an operation."""

    operation: str
    call: str
    number: int
    """The ordinal of the call in its thread."""
    fault: str

    @property
    def injection(self) -> str:
        return f"{self.call}:{self.fault}:when={self.number}"


class Operator:
    """The program that runs each operation in its own process."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program

    def answer(self) -> str:
        assert self._program.stdout is not None
        return self._program.stdout.readline().rstrip("\n")

    def say(self, *words: str) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write("\t".join(words) + "\n")
        self._program.stdin.flush()

    def run(self, operation: str, *strace: str | Path) -> str:
        """Run an operation under strace; return `done`, `error CLASS` or `killed`."""
        self.say("run", operation)
        answer = self.answer()
        assert answer.startswith("ready "), f"{operation}: {answer}"
        pid = answer.removeprefix("ready ")
        command = ("strace", "-f", "-p", pid, *strace)
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as tracer:
            assert tracer.stderr is not None
            attached = tracer.stderr.readline()
            assert "attached" in attached, attached
            os.kill(int(pid), signal.SIGUSR1)
            lines, status = self.ended()
            tracer.stderr.read()
        return lines[0] if lines else "killed" if status else "error without a word"

    def ended(self) -> tuple[list[str], int]:
        """Return the output of a child and its exit status."""
        lines = [self.answer()]
        while not lines[-1].startswith("exit "):
            lines.append(self.answer())
        return lines[:-1], int(lines[-1].removeprefix("exit "))

    def verify(self, operation: str, outcome: str) -> list[str]:
        """Return the violated promises after an operation."""
        self.say("verify", operation, outcome.partition(":")[0])
        lines, status = self.ended()
        problems = [f"the check ends with status {status}"] if status else []
        for line in lines:
            word, _, rest = line.partition(" ")
            problems += json.loads(rest) if word == "problems" else [line]
        return problems


@contextlib.contextmanager
def operator(backend: str, path: Path) -> Iterator[Operator]:
    with contextlib.ExitStack() as stack:
        if backend == "btrfs":
            stack.enter_context(mounted_btrfs(path, megabytes=256))
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            (sys.executable, "-m", PROGRAM, backend, path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as program:
            running = Operator(program)
            assert running.ended() == ([], 0)
            try:
                yield running
            finally:
                program.kill()


def calls(running: Operator, operation: str, trace: Path) -> dict[str, int]:
    """Return the maximum number of each system call per thread in an operation."""
    outcome = running.run(operation, "-o", trace)
    assert outcome == "done", outcome
    assert running.verify(operation, outcome) == []
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for line in trace.read_text(errors="replace").splitlines():
        if match := _CALL.match(line):
            counts[match[1], match[2]] += 1
    most: dict[str, int] = {}
    for (_, call), count in counts.items():
        most[call] = max(count, most.get(call, 0))
    return {call: count for call, count in most.items() if not UNFAULTED.fullmatch(call)}


def faults(running: Operator, directory: Path) -> list[Fault]:
    """Return all faults to inject."""
    return [
        Fault(operation, call, number, fault)
        for operation in OPERATIONS
        for call, most in sorted(calls(running, operation, directory / "trace").items())
        for number in range(1, most + 1)
        for fault in FAULTS
    ]


@pytest.mark.parametrize("backend", ["overlayfs", "native", "btrfs"])
def test_a_failing_system_call_loses_nothing_and_leaves_nothing_behind(
    backend: str, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Exactly the acknowledged state exists, and the operation can be repeated."""
    failures: list[str] = []
    outcomes: collections.Counter[str] = collections.Counter()
    with operator(backend, tmp_path) as running:
        possible = faults(running, tmp_path)
        chosen = Random(SEED).sample(possible, min(len(possible), CHOSEN))
        for fault in chosen:
            outcome = running.run(fault.operation, "-o", "/dev/null", "-e", f"inject={fault.injection}")
            outcomes[outcome.split(" ")[0]] += 1
            failures += [
                f"{fault.operation}, {fault.injection}, {outcome}: {problem}"
                for problem in running.verify(fault.operation, outcome)
            ]
    tell(f"{len(chosen)} faults of {len(possible)} possible: {dict(outcomes)}, LAMINA_SEED={SEED}")
    assert failures == []
