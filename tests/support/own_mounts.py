"""A mount namespace for the tests of one process.

Programs such as `buildah bud` and `unshare --mount` copy every mount that they see and keep it until they exit.
In a namespace that tests share, the snapshots and disks of one test would stay mounted in the programs of another.
"""

from __future__ import annotations

import ctypes
import os

_CLONE_NEWNS = 0x00020000  # include/uapi/linux/sched.h
_MS_REC, _MS_SLAVE = 1 << 14, 1 << 19  # include/uapi/linux/mount.h


_PLACES = ("/etc/lamina", "/run/lamina", "/var/lib/lamina")
"""The directories of a host that is installed on the machine."""


def hide_mounts_from_others() -> None:
    """Move the calling thread, and what it starts from now on, into a mount namespace of its own.

    What is mounted there is neither seen nor copied by other processes, and is unmounted when the last of its
    processes has ended. A host of the machine's own is hidden: tests neither see nor touch it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(_CLONE_NEWNS))
    _check(libc.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None))
    for place in filter(os.path.isdir, _PLACES):
        _check(libc.mount(b"none", place.encode(), b"tmpfs", 0, None))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
