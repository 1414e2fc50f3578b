"""Run a program to which system calls are forbidden: `python seccomp.py NAME,NAME… PROGRAM ARGUMENT…`.

They fail with EPERM, as those of a unit's `SystemCallFilter=~…` with `SystemCallErrorNumber=EPERM` do.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

_ALLOW = 0x7FFF0000  # SCMP_ACT_ALLOW, seccomp.h
_ERRNO = 0x00050000  # SCMP_ACT_ERRNO


def forbid(names: list[str]) -> None:
    """Forbid system calls to this process for ever. Names that this machine has no number for are passed over.

    Raises:
        OSError: The kernel refused: the process may still gain privileges, and has no CAP_SYS_ADMIN.
    """
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    program = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ALLOW)))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            _check(library.seccomp_rule_add(program, ctypes.c_uint32(_ERRNO | errno.EPERM), number, 0))
    _check(library.seccomp_load(program))


def _check(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))


if __name__ == "__main__":
    forbid(sys.argv[1].split(","))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 # that is all that is left to do
