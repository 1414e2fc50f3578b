"""Trees for tests, and contexts in which they change while they are worked on."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

from lamina.context import CallContext


class Steps(CallContext):
    """A context that does something each time that the work asks it whether to go on."""

    def __init__(self, step: Callable[[int], object]) -> None:
        """`step` is called with the number of the check, from 1."""
        super().__init__()
        self.step = step
        self.checks = 0

    def check(self) -> None:
        self.checks += 1
        self.step(self.checks)
        super().check()


def make_deep_tree(root: Path, levels: int, name: str = "d") -> None:
    """Make a directory with `levels` directories in one another below it, and a file in the lowest."""
    root.mkdir()
    fd = os.open(root, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)


def open_files(*, collect: bool = True) -> int:
    """Count the file descriptors that this process has open, but for sockets and what waits for them.

    gRPC closes those in threads of its own, some time after a channel or a server was closed.

    Args:
        collect: First close what earlier tests have left to the garbage collector, which takes long. It would be
            closed at any time.
    """
    if collect:
        gc.collect()
    return sum(map(_is_counted, os.listdir("/proc/self/fd")))


def _is_counted(fd: str) -> bool:
    try:
        target = os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:  # closed meanwhile: that of the directory itself
        return False
    except OSError:  # a path that is too long
        return True
    return not target.startswith(("socket:", "anon_inode:[eventpoll]", "anon_inode:[eventfd]"))
