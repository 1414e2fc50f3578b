"""The owner of temporary snapshots, named in a label: when it has ended, they are leftovers."""

from __future__ import annotations

import os
import threading
from typing import Final

LABEL: Final = "io.lamina.snapshots.temporary"
"""The label with the owner: boot, pid namespace, pid, start time of the process, and a random word."""
EXTRACT: Final = "extract-"
"""The beginning of the keys of layers that are being unpacked, as of containerd's (`UnpackKeyFormat`). For these,
lamina's overlay snapshotter returns mounts that need no parent for whiteouts."""
DIFF: Final = "diff-"
"""The beginning of the keys of views that are being read."""


class Owner:
    """The owner of some temporary snapshots, such as those of one program. Any thread may call its methods."""

    def __init__(self) -> None:
        """Become an owner, in this process."""
        self._boot, self._namespace, pid = _boot_id(), os.readlink("/proc/self/ns/pid"), os.getpid()
        self.label: Final = f"{self._boot} {self._namespace} {pid} {_start_time(pid)} {os.urandom(8).hex()}"
        """The value of `LABEL`."""
        self._keys: set[str] = set()
        self._guard = threading.Lock()

    def begin(self, key: str) -> None:
        """Record that a key is in use."""
        with self._guard:
            self._keys.add(key)

    def end(self, key: str) -> None:
        """Record that a key is no longer in use."""
        with self._guard:
            self._keys.discard(key)

    def is_abandoned(self, key: str, label: str) -> bool:
        """Return whether a snapshot is a leftover.

        Args:
            key: Its key.
            label: Its label `LABEL`. That of another pid namespace says nothing until the machine boots again.
        """
        if label == self.label:
            with self._guard:
                return key not in self._keys
        try:
            boot, namespace, pid, started, _ = label.split(" ")
            number = int(pid)
        except ValueError:  # not in this form
            return False
        if boot != self._boot:
            return True
        return namespace == self._namespace and _start_time(number) != started


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _start_time(pid: int) -> str:
    """Return the start time of a process in clock ticks after boot (proc_pid_stat(5)); "" if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
