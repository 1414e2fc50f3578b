"""`Listener`: a unix socket that appears when somebody answers on it, and that nobody else's is mistaken for."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from lamina.errdefs import AlreadyExists, FailedPrecondition, InvalidArgument, LockHeld, from_os_error
from lamina.fs import Lock
from lamina.metrics import Metric

MAX_PATH: Final = 104
"""Bytes in the path of a socket: containerd's limit, the smallest `sun_path` of any system it runs on."""
GRACE: Final = 5.0
"""Seconds that calls under way are given to end by themselves."""


class Engine(Protocol):
    """What speaks gRPC on a socket."""

    def bind(self, path: str) -> None:
        """Make a socket at a path where nothing is, and listen.

        Raises:
            Unavailable: That does not work.
        """

    def start(self) -> None:
        """Answer what comes."""

    def metrics(self) -> Iterable[Metric]:
        """What it counts of its calls."""

    def stop(self, grace: float) -> None:
        """Take no more calls, and return when those under way have ended. Without a start, do nothing.

        Args:
            grace: Seconds after which they are cancelled.
        """


class Listener:
    """An engine on a unix socket.

    The socket is made under another name (the path and `~`) and shown under its own when the engine answers: so
    it never appears too early, or with the wrong owner. And an engine that deletes its socket's path without
    looking who has it deletes nobody else's.
    """

    def __init__(
        self,
        address: str,
        engine: Engine,
        *,
        uid: int = -1,
        gid: int = -1,
        stopping: Iterable[Callable[[], None]] = (),
        grace: float = GRACE,
    ) -> None:
        """Nothing happens before `start`.

        Args:
            address: The socket's path, with or without `unix://` before it.
            engine: What answers on it.
            uid: Who owns the socket, and its directory if that is made; -1: this process's user.
            gid: As `uid`, the group.
            stopping: Called by `close`, while calls are still answered.
            grace: Seconds that `close` gives to calls under way.
        """
        self._path = address.removeprefix("unix://")
        self._engine = engine
        self._uid = uid
        self._gid = gid
        self._stopping = tuple(stopping)
        self._grace = grace
        self._undo = contextlib.ExitStack()

    def start(self) -> None:
        """Show the socket, with clients answered from then on. If that fails, nothing is left.

        Raises:
            InvalidArgument: The address is no absolute path, or too long for a socket.
            LockHeld: Another listener has the address; the message names its process.
            FailedPrecondition: Somebody answers at the address.
            AlreadyExists: There is something else than a socket at the address.
            Error: The socket or its directory cannot be made, or not be given to its owner.
        """
        path = self._path
        _check(path)
        try:
            with contextlib.ExitStack() as undo:
                self._make_directory(os.path.dirname(path))
                _is_socket(path)  # else not even a lock is made beside it
                undo.callback(_lock(path).close)
                _remove_stale(path)
                hidden = f"{path}~"
                _try_bind(hidden)
                undo.callback(self._engine.stop, self._grace)
                undo.callback(_remove, hidden)
                self._engine.bind(hidden)
                os.chmod(hidden, 0o660)
                os.chown(hidden, self._uid, self._gid)
                self._engine.start()
                undo.callback(_remove_own, path, os.lstat(hidden))
                os.link(hidden, path)
                os.unlink(hidden)
                for stopping in self._stopping:
                    undo.callback(stopping)
                self._undo = undo.pop_all()
        except OSError as error:
            raise from_os_error(error, f"listen on {path}") from error

    def close(self) -> None:
        """Stop: tell so, remove the socket, give calls under way their time, cancel those that are left.

        A socket that is at the address but not this listener's stays. Calling it again does nothing.
        """
        undo, self._undo = self._undo, contextlib.ExitStack()
        undo.close()

    def metrics(self) -> Iterable[Metric]:
        """What the engine counts of its calls."""
        return self._engine.metrics()

    def _make_directory(self, path: str) -> None:
        if os.path.isdir(path):
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path, 0o700)
        os.chmod(path, 0o770)  # noqa: S103 - as containerd: the group of the socket enters it too
        os.chown(path, self._uid, self._gid)


def _check(path: str) -> None:
    if not path.startswith("/") or "\0" in path:
        raise InvalidArgument(f"address {path!r}: expected the absolute path of a unix socket")
    length = len(os.fsencode(path))
    if length > MAX_PATH:
        raise InvalidArgument(
            f"address {path!r}: the path of a socket can have {MAX_PATH} bytes, and this one has {length}"
        )


def _lock(path: str) -> Lock:
    try:
        return Lock.acquire(f"{path}.lock")
    except LockHeld as error:
        raise LockHeld(f"address in use: {error}") from error


def _is_socket(path: str) -> bool:
    """Whether there is a socket, and not nothing. Anything else is in the way."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(mode):
        raise AlreadyExists(f"{path} is not a socket: move it away, or set another address")
    return True


def _remove_stale(path: str) -> None:
    """Remove a socket on which nobody listens any more. The lock must be held."""
    if not _is_socket(path):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        error = probe.connect_ex(path)
    if error == errno.ECONNREFUSED:
        os.unlink(path)
    elif error in {0, errno.EAGAIN}:  # EAGAIN: somebody listens, and is slow to accept (unix(7))
        raise FailedPrecondition(f"address in use: somebody answers on {path}: stop it, or set another address")
    else:
        raise OSError(error, os.strerror(error), path)


def _try_bind(path: str) -> None:
    """Raise what the kernel has against a socket at a path: engines do not tell. A left-over one is removed."""
    if _is_socket(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as trial:
        trial.bind(path)
    os.unlink(path)


def _remove(path: str) -> None:
    """Remove a path, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _remove_own(path: str, own: os.stat_result) -> None:
    """Remove a path, if it still is the file that it was."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.lstat(path), own):
            os.unlink(path)
