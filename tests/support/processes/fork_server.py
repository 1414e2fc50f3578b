"""A process that has imported lamina, and forks one of its commands for each request.

`python -m tests.support.processes.fork_server DESCRIPTOR` reads requests from a socket until that is closed.
See `tests.support.processes.forked`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import socket
import sys
import threading
from typing import NamedTuple

from lamina.cli import main

SIZE = 1 << 17
"""The size of the largest request in bytes, less than net.core.wmem_default (socket(7))."""

_IMPORTED = (
    "api",
    "cli",
    "client",
    "content",
    "host",
    "images",
    "layers",
    "metadata",
    "plugins",
    "registry",
    "snapshots",
)
"""Packages that commands and hosts import. None starts a thread, which would be missing after a fork."""


class Child(NamedTuple):
    """A process that was forked, until its end was told and heard."""

    pid: int
    pidfd: int
    answers: int
    """The descriptor of a socket, which gets the exit code; the other side is closed when it was read."""


def serve(requests: socket.socket) -> None:
    """Fork a process for each request. Returns in those processes alone."""
    children: dict[int, Child] = {}
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == requests.fileno():
                request, fds, _, _ = socket.recv_fds(requests, SIZE, 4)
                if not request:
                    os._exit(0)
                pid = os.fork()
                if pid == 0:
                    requests.detach()
                    _become(fds[:3], *json.loads(request))
                    return
                child = _answered(pid, fds)
                children[child.pidfd] = children[child.answers] = child
                poll.register(child.pidfd, select.POLLIN)
            elif fd == (child := children.pop(fd)).pidfd:
                poll.unregister(fd)
                _tell_end(child)
                poll.register(child.answers, select.POLLIN)
            else:
                poll.unregister(fd)
                os.close(fd)
                os.waitpid(child.pid, 0)


def _answered(pid: int, fds: list[int]) -> Child:
    *streams, answers = fds
    for fd in streams:
        os.close(fd)
    child = Child(pid, os.pidfd_open(pid), answers)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its client has gone
        os.write(answers, b"%d" % pid)
    return child


def _tell_end(child: Child) -> None:
    """Tell an exit code as `subprocess` does. The process remains until that was heard, and so does its id."""
    ended = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED | os.WNOWAIT)
    assert ended
    code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    os.close(child.pidfd)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its client has gone
        os.write(child.answers, b"%d" % code)


def _become(streams: list[int], words: list[str], environment: dict[str, str], directory: str) -> None:
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.argv = ["lamina", *words]
    sys.path[1:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())


def _run() -> None:
    """Run the command, and end without freeing all that was imported, which takes longer than most commands."""
    try:
        main.main()
    except SystemExit as end:
        threading._shutdown()  # as multiprocessing does
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        if isinstance(end.code, int):
            os._exit(end.code)
        raise


def _import_everything() -> None:
    for name in _IMPORTED:
        package = importlib.import_module(f"lamina.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    _import_everything()
    gc.freeze()  # otherwise each collection copies what is shared
    serve(socket.socket(fileno=int(sys.argv[1])))
    _run()
