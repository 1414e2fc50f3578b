"""One operation a process, for tests that inject faults into its system calls.

`python -m tests.support.disks.faulted_operations BACKEND PATH` reads lines from standard input and forks a child
for each, so that Python and lamina are imported once. The words of a line are separated by tabs:

    run OPERATION              set up, write `ready PID`, wait for SIGUSR1, act, write `done` or `error CLASS`
    verify OPERATION OUTCOME   write `problems [...]`, a JSON list of what does not hold any more

`exit STATUS` follows when the child has ended.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

from lamina.errdefs import Error, NotFound
from lamina.mount import temporary_mount
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.backends import data_below
from tests.support.snapshotters.btrfs import open_btrfs
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.overlay import open_overlay

CONTENT: Final = "what was written"
_OPEN: Final = {"overlayfs": open_overlay, "native": open_native, "btrfs": open_btrfs}
_ROOT: Final = {"overlayfs": "overlay", "native": "native", "btrfs": "btrfs/root"}
_BASE: Final = {
    "base/a": (Kind.ACTIVE, "base/c2"),
    "base/c1": (Kind.COMMITTED, ""),
    "base/c2": (Kind.COMMITTED, "base/c1"),
    "base/v": (Kind.VIEW, "base/c2"),
}


def _nothing(_: Snapshotter) -> None:
    """Prepare nothing."""


@attrs.frozen
class Operation:
    """A call, what it needs, and the snapshot that is there, or gone, when it was acknowledged."""

    act: Callable[[LocalSnapshotter], object]
    set_up: Callable[[LocalSnapshotter], object] = _nothing
    made: str = ""
    gone: str = ""


def _write(snapshotter: Snapshotter, key: str, parent: str = "") -> None:
    with temporary_mount(snapshotter.prepare(key, parent)) as tree:
        for number in range(3):
            (Path(tree) / f"file{number}").write_text(CONTENT)


def _prepare_to_remove(snapshotter: LocalSnapshotter) -> None:
    _write(snapshotter, "op/r", "base/c2")


def _remove(snapshotter: LocalSnapshotter) -> None:
    _prepare_to_remove(snapshotter)
    snapshotter.remove("op/r")


OPERATIONS: Final = {
    "start": Operation(lambda _: None),
    "prepare": Operation(lambda s: s.prepare("op/p"), made="op/p"),
    "prepare on a parent": Operation(lambda s: s.prepare("op/p", "base/c2"), made="op/p"),
    "view": Operation(lambda s: s.view("op/v", "base/c2"), made="op/v"),
    "update": Operation(lambda s: s.update(Info("base/a", labels={"changed": "yes"}))),
    "usage": Operation(lambda s: s.usage("base/a")),
    "commit": Operation(
        lambda s: s.commit("op/c", "op/w"), lambda s: _write(s, "op/w", "base/c2"), made="op/c", gone="op/w"
    ),
    "remove": Operation(lambda s: s.remove("op/r"), _prepare_to_remove, gone="op/r"),
    "cleanup": Operation(lambda s: s.cleanup(), _remove, gone="op/r"),
}


def _run(backend: str, path: Path, name: str) -> None:
    operation = OPERATIONS[name]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # for the threads that lamina starts, too
    with contextlib.ExitStack() as stack:
        if name == "start":
            _go()
            snapshotter = stack.enter_context(_OPEN[backend](path))
        else:
            snapshotter = stack.enter_context(_OPEN[backend](path))
            operation.set_up(snapshotter)
            _go()
        operation.act(snapshotter)
        _say("done")


def _go() -> None:
    _say(f"ready {os.getpid()}")
    signal.sigwait({signal.SIGUSR1})


def _verify(backend: str, path: Path, name: str, outcome: str) -> None:
    with _OPEN[backend](path) as snapshotter:
        root = path / _ROOT[backend]
        problems = [*_base_problems(snapshotter), *_problems(snapshotter, OPERATIONS[name], outcome)]
        for key in ("op/p", "op/v", "op/w", "op/c", "op/r"):
            with contextlib.suppress(NotFound):
                snapshotter.remove(key)
        for key, (kind, parent) in _BASE.items():
            info = snapshotter.stat(key)
            if (info.kind, info.parent) != (kind, parent):
                problems.append(f"{key} is {info}")
        _repeat(snapshotter, OPERATIONS[name], problems)
        snapshotter.cleanup()
        ids = sorted(record.id for record in snapshotter._store.records())
        kept = [id_ for id_ in ids if snapshotter._backend.has_data(snapshotter._store.record(id_)[1])]
        expected = {*(f"snapshots/{id_}" for id_ in kept), *(f"records/{id_}" for id_ in ids)}
        deadline = time.monotonic() + 120
        while set(data_below(str(root))) != expected and time.monotonic() < deadline:
            time.sleep(0.01)
            snapshotter.cleanup()
        if set(data_below(str(root))) != expected:
            problems.append(f"found {sorted(data_below(str(root)))}, expected {sorted(expected)}")
        problems += [f"left behind: {entry}" for entry in os.listdir(root) if entry.startswith(("probe-", "."))]
    _say(f"problems {json.dumps(problems)}")


def _base_problems(snapshotter: LocalSnapshotter) -> Iterator[str]:
    for key in ("base/a", "base/v"):
        with temporary_mount(snapshotter.mounts(key)) as tree:
            found = {file.name: file.read_text() for file in Path(tree).iterdir()}
        if found != {f"file{number}": CONTENT for number in range(3)}:
            yield f"{key} shows {found}"


def _problems(snapshotter: LocalSnapshotter, operation: Operation, outcome: str) -> Iterator[str]:
    names = {info.name: info for info in snapshotter.walk()}
    if outcome == "done":
        if operation.made and operation.made not in names:
            yield f"{operation.made} was acknowledged and is not there"
        if operation.gone and operation.gone in names:
            yield f"{operation.gone} was acknowledged as gone and is there"
    for name, info in names.items():
        if not name.startswith("op/"):
            continue
        if info.kind is Kind.COMMITTED:
            snapshotter.view("op/v", name)
        with temporary_mount(snapshotter.mounts("op/v" if info.kind is Kind.COMMITTED else name)) as tree:
            wrong = [str(file) for file in Path(tree).iterdir() if file.read_text() != CONTENT]
        if wrong:
            yield f"{name} shows files with something else: {wrong}"
        if info.kind is Kind.COMMITTED:
            snapshotter.remove("op/v")


def _repeat(snapshotter: LocalSnapshotter, operation: Operation, problems: list[str]) -> None:
    try:
        operation.set_up(snapshotter)
        operation.act(snapshotter)
    except (Error, OSError) as error:
        problems.append(f"fails when it is repeated: {error!r}")
    for key in ("op/p", "op/v", "op/w", "op/c", "op/r"):
        with contextlib.suppress(NotFound):
            snapshotter.remove(key)
    snapshotter.update(Info("base/a", labels={}), ("labels",))


def _populate(backend: str, path: Path) -> None:
    with _OPEN[backend](path) as snapshotter:
        _write(snapshotter, "base/w")
        snapshotter.commit("base/c1", "base/w")
        snapshotter.prepare("base/w", "base/c1")
        snapshotter.commit("base/c2", "base/w")
        snapshotter.prepare("base/a", "base/c2")
        snapshotter.view("base/v", "base/c2")


def _say(line: str) -> None:
    try:
        os.write(1, f"{line}\n".encode())
    except OSError:  # a fault that is meant for the operation
        os.write(1, f"{line}\n".encode())


def _line() -> str:
    """Read a line of standard input."""
    return sys.stdin.readline().rstrip("\n")


def _in_child(work: Callable[[], None]) -> None:
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the harness judges it
            _say(f"error {type(error).__name__}: {' '.join(str(error).split())}")
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    _say(f"exit {os.waitstatus_to_exitcode(status)}")


def main() -> None:
    """Obey standard input until it ends."""
    backend, path = sys.argv[1], Path(sys.argv[2])
    _in_child(lambda: _populate(backend, path))
    while line := _line():
        word, *rest = line.split("\t")
        work = _run if word == "run" else _verify
        _in_child(functools.partial(work, backend, path, *rest))


if __name__ == "__main__":
    main()
