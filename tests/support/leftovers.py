"""What a test left behind on the machine: found by its temporary directory, and taken away.

Reads /proc and /sys itself and calls the system's own programs: the code under test is no judge of itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

from tests.support.processes import forked
from tests.support.waiting import wait_until

SECONDS_TO_EXIT = 60.0
_SECONDS_TO_DETACH = 120.0
_SECONDS_TO_EXECUTE = 0.5


def remove_mounts(directory: Path) -> list[str]:
    """Detach every mount that is below a directory or made of what is in it; returns what they were."""
    mentions = _mention(directory)
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    points = [_unescape(line.split(b" ")[4]) for line in lines if mentions.search(_unescape(line))]
    for point in reversed(points):
        subprocess.run(["umount", "--lazy", point], check=True)
    return [f"mount {point}" for point in points]


def remove_loop_devices(directory: Path) -> list[str]:
    """Detach every loop device that is backed by a file below a directory; returns what they were.

    One that detaches itself does so when its last user lets go, and is waited for: that may be a program that
    looks at all devices for a moment, or a mount namespace that was copied while it was mounted.
    """

    devices: list[str] = []

    def detached() -> bool:
        nonlocal devices
        devices = _loop_devices(directory)
        return not any(map(_detaches_itself, devices))

    with contextlib.suppress(TimeoutError):
        wait_until(detached, _SECONDS_TO_DETACH, "every loop device to be detached")
    for device in devices:
        subprocess.run(["losetup", "--detach", f"/dev/{device}"], check=True)
    return [f"loop device /dev/{device}" for device in devices]


def remove_processes(directory: Path | None, before: frozenset[int]) -> list[str]:
    """Kill the processes that a test started and did not wait for; returns what they were.

    Args:
        directory: Orphans with a path below it on their command line count too: daemons start daemons.
        before: The children that were there before the test.
    """
    found: dict[int, str] = {}

    def exited() -> bool:
        nonlocal found
        found = _started(directory, before)
        return not found

    with contextlib.suppress(TimeoutError):
        wait_until(exited, SECONDS_TO_EXIT, "every process to exit")
    own = children()
    for pid in found:
        if pid in forked.running:
            forked.running[pid].end()
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if pid in own:
            os.waitpid(pid, 0)
    return [f"process {pid}: {command}" for pid, command in found.items()]


def children() -> frozenset[int]:
    """The processes that this one started and has not waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # there are none, as is usual
        return frozenset(forked.running)
    return _own(_parents())


def children_of(parent: int) -> frozenset[int]:
    """The children of a process, whichever of its threads started them."""
    return _children(parent, _parents())


def _loop_devices(directory: Path) -> list[str]:
    """The names of the loop devices that are backed by a file below a directory."""
    mentions = _mention(directory)
    devices: list[str] = []
    for name in (name for name in os.listdir("/sys/block") if name.startswith("loop")):
        with contextlib.suppress(OSError):  # not attached
            if mentions.search(Path(f"/sys/block/{name}/loop/backing_file").read_text()):
                devices.append(name)
    return devices


def _detaches_itself(device: str) -> bool:
    """Whether a loop device is detached when nobody uses it any more (LO_FLAGS_AUTOCLEAR of loop(4))."""
    try:
        return Path(f"/sys/block/{device}/loop/autoclear").read_text().strip() == "1"
    except OSError:  # detached meanwhile
        return False


def _started(directory: Path | None, before: frozenset[int]) -> dict[int, str]:
    """Children that were not there before, and orphans that mention the directory, with their command lines."""
    parents = _parents()
    own = {pid: command for pid in _own(parents) - before if (command := _command(pid))}
    if directory is None:
        return own
    mentions = _mention(directory)
    orphans = {pid: _command(pid) for pid in _children(1, parents) - own.keys()}
    return own | {pid: command for pid, command in orphans.items() if mentions.search(command)}


def _own(parents: dict[int, int]) -> frozenset[int]:
    return _children(os.getpid(), parents) | frozenset(forked.running)


def _children(parent: int, parents: dict[int, int]) -> frozenset[int]:
    return frozenset(pid for pid, of in parents.items() if of == parent)


def _parents() -> dict[int, int]:
    """The parent of every process. Files named `children` (proc_pid_task(5)) miss some while others exit."""
    return {int(name): _state_and_parent(name)[1] for name in os.listdir("/proc") if name.isdecimal()}


def _state_and_parent(pid: int | str) -> tuple[str, int]:
    """Fields 3 and 4 of proc_pid_stat(5); ("", 0) where it has ended and was waited for."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            stat = file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    state, parent = stat.rpartition(b")")[2].split(maxsplit=2)[:2]
    return state.decode(), int(parent)


def _command(pid: int) -> str:
    """The command line of a process; "" where it has ended, or is one of Python's own helpers."""
    arguments = Path(f"/proc/{pid}/cmdline")

    def told() -> bool:
        return bool(arguments.read_bytes()) or _state_and_parent(pid)[0] in "ZX"

    try:
        with contextlib.suppress(TimeoutError):  # one that is being executed has no arguments for a moment
            wait_until(told, _SECONDS_TO_EXECUTE, "the process has its arguments")
        command = arguments.read_text(errors="replace").replace("\0", " ")
        # One that has ended, and that nobody waited for, has no command line any more.
        command = command or Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if "multiprocessing.resource_tracker" in command else command  # lives as long as the interpreter


def _mention(directory: Path) -> re.Pattern[str]:
    """The directory as part of a text, but not a longer name that begins like its own."""
    return re.compile(re.escape(str(directory)) + r"(?![\w-])")


def _unescape(text: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), text))
