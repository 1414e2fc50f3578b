"""`Listener`: the unix socket of a host, which no other process may take over."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from lamina.api import Service
from lamina.errdefs import (
    AlreadyExists,
    FailedPrecondition,
    LockHeld,
    Unimplemented,
    from_os_error,
)
from lamina.fs import Lock, Trust, open_path, opened
from lamina.metrics import Metric
from lamina.plugins.servers.grpc._address import socket_path
from lamina.plugins.servers.grpc._connections import Connections
from lamina.plugins.servers.grpc._limits import RETIRE_GRACE
from lamina.plugins.servers.grpc.engines._protocol import Engine, Extensible

_BOUND: Final = "s"
"""Name of the socket before clients may connect. With `~/` before it, it fits into the 107 bytes of Linux."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
GRACE: Final = 5.0
"""Seconds that calls in flight have to end by themselves."""


class Listener:
    """An engine on a unix socket.

    The socket is created in a directory that no other user can enter (the path and `~`), and linked to its path
    once it has its owner and mode. Clients can connect from `listen` on; their calls wait for `start`. An engine
    that deletes the path it was bound to, whatever is there, cannot delete the socket of another host.
    """

    def __init__(
        self,
        address: str,
        engine: Engine,
        services: Iterable[Service] = (),
        *,
        uid: int = -1,
        gid: int = -1,
        stopping: Iterable[Callable[[], None]] = (),
        grace: float = GRACE,
    ) -> None:
        """Create a listener. It opens nothing before `listen` or `start`.

        Args:
            address: The socket's path, with or without `unix://` before it.
            engine: The engine that serves it.
            services: The services to serve.
            uid: The owner of the socket, and of its directory if that is made; -1: this process's user.
            gid: Likewise, the group.
            stopping: Called by `close`, while calls are still answered.
            grace: Seconds that `close` gives to calls under way.
        """
        self._path = address.removeprefix("unix://")
        self._bound = f"{self._path}~/{_BOUND}"
        self._engine = engine
        self._uid = uid
        self._gid = gid
        self._grace = grace
        self._latest = 0.0
        """The time at which `close` cancels calls in flight, by `time.monotonic()`."""
        self._listens = False
        self._undo = contextlib.ExitStack()
        self.offer(services, stopping)

    def offer(self, services: Iterable[Service], stopping: Iterable[Callable[[], None]] = ()) -> None:
        """Replace the services given to `__init__`."""
        self._services = tuple(services)
        self._stopping = tuple(stopping)

    def listen(self) -> None:
        """Create the socket. Calls wait for `start` instead of being refused. A failure leaves nothing behind.

        Raises:
            InvalidArgument: The address is not an absolute path, or too long for a socket.
            LockHeld: Another listener has the address; the message names its process.
            FailedPrecondition: A process listens at the address.
            AlreadyExists: A file other than a socket is at the address.
            PermissionDenied: Another user than the socket's owner could put his own socket there.
            Error: The socket or its directory cannot be made, or not be given to its owner.
        """
        path = socket_path(self._path)
        try:
            with contextlib.ExitStack() as undo:
                directory = self._open_directory(os.path.dirname(path))
                undo.callback(os.close, directory)
                name = os.path.basename(path)
                _is_socket(path, directory)  # before a lock file is created beside it
                undo.callback(_lock(path, directory).close)
                _remove_stale(path, directory)
                with _private_directory(f"{path}~", directory) as private:
                    _try_bind(self._bound)
                    undo.callback(self._stop_engine)
                    self._engine.bind(self._bound)
                    os.chown(_BOUND, self._uid, self._gid, dir_fd=private)
                    os.chmod(_BOUND, 0o660, dir_fd=private)
                    own = os.stat(_BOUND, dir_fd=private, follow_symlinks=False)
                    undo.callback(_remove_own, name, directory, own)
                    os.link(_BOUND, name, src_dir_fd=private, dst_dir_fd=directory)
                self._undo = undo.pop_all()
        except OSError as error:
            raise from_os_error(error, f"listen on {path}") from error
        self._listens = True

    def start(self) -> None:
        """Answer calls. A failure leaves nothing behind.

        Raises:
            Error: As `listen`, where that was not called; or the engine does not start.
        """
        if not self._listens:
            self.listen()
        try:
            self._engine.start(self._services)
        except BaseException:
            self.close()
            raise
        self._undo.callback(self._engine.drain, self._grace)
        for stopping in self._stopping:
            self._undo.callback(stopping)

    def close(self) -> None:
        """Call `stopping`, wait for calls in flight, remove the socket, and cancel the calls that are left.

        A socket at the address that is not this listener's stays. Calling it again does nothing.
        """
        undo, self._undo = self._undo, contextlib.ExitStack()
        self._listens = False
        self._latest = time.monotonic() + self._grace
        undo.close()

    def add(self, services: Iterable[Service]) -> None:
        """Serve more services.

        Raises:
            Unimplemented: The engine is not `Extensible`.
        """
        if not isinstance(self._engine, Extensible):
            raise Unimplemented(
                "its engine serves what was there when it started: restart the host, or set grpcio"
            )
        self._engine.add(services)

    def metrics(self) -> Iterable[Metric]:
        """Return the metrics of the engine's calls."""
        return self._engine.metrics()

    def _stop_engine(self) -> None:
        Connections(self._bound).retire(RETIRE_GRACE)
        self._engine.stop(max(0.0, self._latest - time.monotonic()))

    def _open_directory(self, path: str) -> int:
        """Open the directory of the socket, and create it if it does not exist.

        Besides root and the user of the process, the owner and the group of the socket may write there: being able
        to connect, they control the host anyway.
        """
        trust = Trust.of_process().with_owner(self._uid, self._gid)
        try:
            return open_path(path, trust=trust)
        except FileNotFoundError:
            directory = open_path(path, create_mode=0o700, trust=trust)
        try:
            os.chown(".", self._uid, self._gid, dir_fd=directory)
            # As in containerd, the group of the socket may enter it.
            os.chmod(".", 0o770, dir_fd=directory)  # noqa: S103 - as the line above says
        except BaseException:
            os.close(directory)
            raise
        return directory


def _lock(path: str, directory: int) -> Lock:
    try:
        return Lock.acquire(f"{path}.lock", dir_fd=directory)
    except LockHeld as error:
        raise LockHeld(f"address in use: {error}") from error


def _is_socket(path: str, directory: int) -> bool:
    """Return whether a socket is there. Raises AlreadyExists for any other file."""
    try:
        mode = os.stat(os.path.basename(path), dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(mode):
        raise AlreadyExists(f"{path} is not a socket: move it away, or set another address")
    return True


def _remove_stale(path: str, directory: int) -> None:
    """Remove a socket on which no process listens. The lock must be held."""
    if not _is_socket(path, directory):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        error = probe.connect_ex(path)
    if error == errno.ECONNREFUSED:
        os.unlink(os.path.basename(path), dir_fd=directory)
    elif error in {0, errno.EAGAIN}:  # EAGAIN: the backlog of a listening process is full (unix(7))
        raise FailedPrecondition(f"address in use: a process listens on {path}: stop it, or set another address")
    else:
        raise OSError(error, os.strerror(error), path)


@contextlib.contextmanager
def _private_directory(path: str, parent: int) -> Iterator[int]:
    """Create a directory that only the user of this process can enter, for the block. Yields its descriptor."""
    name = os.path.basename(path)
    _clear_away(path, parent)
    os.mkdir(name, 0o700, dir_fd=parent)
    private = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        yield private
    finally:
        _remove(_BOUND, private)
        os.close(private)
        os.rmdir(name, dir_fd=parent)


def _clear_away(path: str, parent: int) -> None:
    """Remove the private directory of a host that was killed."""
    name = os.path.basename(path)
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISSOCK(status.st_mode):  # from earlier versions of lamina
        os.unlink(name, dir_fd=parent)
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise AlreadyExists(f"{path} is in the way, and not this host's: move it away, or set another address")
    with opened(name, _DIRECTORY, dir_fd=parent) as left:
        _remove(_BOUND, left)
    os.rmdir(name, dir_fd=parent)


def _try_bind(path: str) -> None:
    """Bind a socket to a path and remove it, to raise the error that engines hide."""
    with socket.socket(socket.AF_UNIX) as trial:
        trial.bind(path)
    os.unlink(path)


def _remove(name: str, directory: int) -> None:
    """Remove a file if it exists."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def _remove_own(name: str, directory: int, own: os.stat_result) -> None:
    """Remove a file if it is still the same."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.stat(name, dir_fd=directory, follow_symlinks=False), own):
            os.unlink(name, dir_fd=directory)
