"""What a test left behind on the machine: found by its temporary directory, and taken away.

Reads /proc and /sys itself and calls the system's own programs: the code under test is no judge of itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from waiting import wait_until

_SECONDS_TO_EXIT = 2.0


def remove_mounts(directory: Path) -> list[str]:
    """Detach every mount that is below a directory or made of what is in it; returns what they were."""
    mentions = _mention(directory)
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    points = [_unescape(line.split(b" ")[4]) for line in lines if mentions.search(_unescape(line))]
    for point in reversed(points):
        subprocess.run(["umount", "--lazy", point], check=True)
    return [f"mount {point}" for point in points]


def remove_loop_devices(directory: Path) -> list[str]:
    """Detach every loop device that is backed by a file below a directory; returns what they were."""
    mentions = _mention(directory)
    devices: list[str] = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # detached by somebody else meanwhile
            if mentions.search(backing.read_text()):
                devices.append(f"/dev/{backing.parts[3]}")
    for device in devices:
        subprocess.run(["losetup", "--detach", device], check=True)
    return [f"loop device {device}" for device in devices]


def remove_processes(directory: Path | None, before: frozenset[int]) -> list[str]:
    """Kill the processes that a test started and did not wait for; returns what they were.

    Args:
        directory: Orphans with a path below it on their command line count too: daemons start daemons.
        before: The children that were there before the test.
    """
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not _started(directory, before), _SECONDS_TO_EXIT, "every process to exit")
    found = _started(directory, before)
    own = children()
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if pid in own:
            os.waitpid(pid, 0)
    return [f"process {pid}: {command}" for pid, command in found.items()]


def children() -> frozenset[int]:
    """The processes that this one started and has not waited for."""
    return frozenset(pid for pid, parent, _command in _processes() if parent == os.getpid())


def _started(directory: Path | None, before: frozenset[int]) -> dict[int, str]:
    mentions = _mention(directory) if directory else re.compile(r"(?!)")
    return {
        pid: command
        for pid, parent, command in _processes()
        if (parent == os.getpid() and pid not in before) or (parent == 1 and mentions.search(command))
    }


def _processes() -> Iterator[tuple[int, int, str]]:
    """(pid, parent's pid, command line) of every process except Python's own helpers (proc_pid_stat(5))."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (directory / "stat").read_text(errors="replace").rpartition(")")
            parent = int(rest.split()[1])
            # A process that has ended, and that nobody waited for, has no command line any more.
            command = (directory / "cmdline").read_text(errors="replace").replace("\0", " ") or f"{name})"
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "multiprocessing.resource_tracker" not in command:  # lives as long as the interpreter
            yield int(directory.name), parent, command


def _mention(directory: Path) -> re.Pattern[str]:
    """The directory as part of a text, but not a longer name that begins like its own."""
    return re.compile(re.escape(str(directory)) + r"(?![\w-])")


def _unescape(text: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), text))
