"""Information about processes from /proc."""

from __future__ import annotations

import glob
import os
import pwd
import shlex
import signal
import time
from collections.abc import Iterator
from typing import Final

import attrs

ALL_IDS: Final = "0 0 4294967295"
"""The only line of uid_map outside any user namespace (user_namespaces(7))."""

AS_ROOT: Final = "run the same command as root (sudo)"
"""The remedy for everything that this user may not inspect."""


@attrs.frozen
class Process:
    """Facts about a process that every user may read in /proc."""

    pid: int
    command: str
    """Its command line, or its name if the command line is empty."""
    user: str
    started: float
    """Seconds since 1970."""
    capabilities: int
    """The effective set as a bit mask: capabilities(7)."""
    seccomp: bool
    """True if a seccomp filter restricts its system calls."""
    in_user_namespace: bool
    """True if it is in a user namespace other than the initial one."""
    writes_stacks: bool
    """True if it handles SIGUSR1, on which a host logs its stacks. The signal kills other processes."""

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command}; {self.user}, since {moment(self.started)})"


def process(pid: int) -> Process | None:
    """Return a process, or None if it has exited."""
    try:
        status = dict(line.split(":\t", 1) for line in _read(pid, "status").splitlines())
        ticks = int(_read(pid, "stat").rpartition(")")[2].split()[19])
        words = _read(pid, "cmdline").rstrip("\0").split("\0")
        maps = " ".join(_read(pid, "uid_map").split())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Process(
        pid=pid,
        command=shlex.join(words) if words != [""] else status["Name"],
        user=user_name(int(status["Uid"].split()[1])),
        started=_boot_time() + ticks / os.sysconf("SC_CLK_TCK"),
        capabilities=int(status["CapEff"], 16),
        seccomp=status.get("Seccomp", "0") == "2",
        in_user_namespace=maps != ALL_IDS,
        writes_stacks=bool(int(status["SigCgt"], 16) >> (signal.SIGUSR1 - 1) & 1),
    )


def processes_named(name: str) -> Iterator[int]:
    """Yield the processes that run a program of that name (proc_pid_comm(5))."""
    for path in glob.iglob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                found = file.read().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if found == name:
            yield int(path.split("/")[2])


def reason(error: Exception) -> str:
    """Return the message of an error without the path, which is shown beside it."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def user_name(uid: int) -> str:
    """Return the name of a user, or its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def moment(seconds: float) -> str:
    """Format a time as local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _read(pid: int, name: str) -> str:
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
        return file.read()


def _boot_time() -> int:
    with open("/proc/stat", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("btime "))
