"""Find the holder of a lock."""

from __future__ import annotations

import os
from typing import Final

from lamina.diagnosis._process import AS_ROOT, process, reason
from lamina.errdefs import Error
from lamina.mount import lookup
from lamina.plugin import Finding

_READINGS: Final = 3
"""The number of times to look for a lock. The kernel shows its locks page by page, and omits one if another one
before it is released between two pages."""


def lock_holder(path: str) -> int | None:
    """Return the process that holds the lock on a file (`lamina.fs.Lock`), or None if no visible process does.

    Does not lock the file to find out, which could stop a host that is starting. Holders in other pid namespaces
    are only visible if those are nested in this one.

    Raises:
        OSError: The file does not exist or may not be inspected.
        Error: Its mount cannot be found.
    """
    inode = os.stat(path).st_ino
    major, minor = map(int, lookup(path).device.split(":"))  # st_dev differs on btrfs
    name = f"{major:02x}:{minor:02x}:{inode}"
    for _ in range(_READINGS):
        with open("/proc/locks", encoding="ascii") as file:
            for line in file:
                fields = line.split()  # proc_locks(5)
                if fields[1] == "FLOCK" and fields[5] == name:
                    return int(fields[4])
    return None


def lock(check: str, path: str, host_pid: int | None) -> Finding:
    """Check that a lock is held by the host, or by no process if no host runs.

    Args:
        check: The name of the check.
        path: The lock file.
        host_pid: The process of the running host; None if none runs.
    """
    try:
        pid = lock_holder(path)
    except FileNotFoundError:
        return Finding.ok(check, f"{path} does not exist: it has not been used yet")
    except (OSError, Error) as error:
        return Finding.unknown(check, f"{path}: {reason(error)}", AS_ROOT)
    holder = None if pid is None else process(pid)
    if holder is None:
        return Finding.ok(check, f"{path} is not locked")
    if holder.pid == host_pid:
        return Finding.ok(check, f"{path} is held by the host, process {holder.pid}")
    if host_pid is not None:
        return Finding.problem(
            check,
            f"{path} is held by {holder}, but the host that answers is process {host_pid}",
            f"two hosts cannot share a directory. Stop the other one: kill {holder.pid}. Or give this one "
            "another root, root_path or address, and restart it",
        )
    stacks = f"kill -USR1 {pid} makes it log its stacks; " if holder.writes_stacks else ""
    return Finding.problem(
        check,
        f"{path} is held by {holder}, but no host answers at this address: no other can start",
        f"if it serves at another address, give that with -a; if it hangs, {stacks}kill {pid} stops it, or else "
        f"kill -9 {pid} (no acknowledged snapshot is lost)",
    )
