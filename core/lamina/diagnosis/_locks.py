"""Who holds a lock."""

from __future__ import annotations

import os

from lamina.diagnosis._process import AS_ROOT, process, reason
from lamina.errdefs import Error
from lamina.mount import lookup
from lamina.plugin import Finding


def lock_holder(path: str) -> int | None:
    """The process that holds the lock on a file (`lamina.fs.Lock`); None where none does that can be seen.

    Nothing is locked to find out, which could keep away a host that starts just now. Holders in another pid
    namespace are not seen, unless that is inside this one.

    Raises:
        OSError: The file is not there, or may not be looked at.
        Error: Its mount cannot be found.
    """
    inode = os.stat(path).st_ino
    major, minor = map(int, lookup(path).device.split(":"))  # st_dev is another number on btrfs
    name = f"{major:02x}:{minor:02x}:{inode}"
    with open("/proc/locks", encoding="ascii") as file:
        for line in file:
            fields = line.split()  # proc_locks(5)
            if fields[1] == "FLOCK" and fields[5] == name:
                return int(fields[4])
    return None


def lock(check: str, path: str, host_pid: int | None) -> Finding:
    """Whether a lock is held by whom it should be.

    Args:
        check: Which lock it is.
        path: Its file.
        host_pid: The process of the host that runs; None where none does.
    """
    try:
        pid = lock_holder(path)
    except FileNotFoundError:
        return Finding.ok(check, f"{path} is not there: nobody has used it yet")
    except (OSError, Error) as error:
        return Finding.unknown(check, f"{path}: {reason(error)}", AS_ROOT)
    holder = None if pid is None else process(pid)
    if holder is None:
        return Finding.ok(check, f"{path} is held by nobody")
    if holder.pid == host_pid:
        return Finding.ok(check, f"{path} is held by the host, process {holder.pid}")
    if host_pid is not None:
        return Finding.problem(
            check,
            f"{path} is held by {holder}, and the host that answers is process {host_pid}",
            "two hosts cannot share a directory. Stop the other one: "
            f"kill {holder.pid}. Or give this one another root, root_path or address, and start it again",
        )
    stacks = f"kill -USR1 {pid} has it write to its log what it is at; " if holder.writes_stacks else ""
    return Finding.problem(
        check,
        f"{path} is held by {holder}, while no host answers at this address: no other can start",
        f"if it serves at another address, name that with -a; if it hangs, {stacks}kill {pid} ends it, and where "
        f"that does not, kill -9 {pid} (no acknowledged snapshot is lost)",
    )
