"""A worker process, as its owner sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from lamina.context import CallContext, current
from lamina.errdefs import DeadlineExceeded, FailedPrecondition, Unavailable, from_status, translated
from lamina.layers._contract import Blob
from lamina.layers._target import opened_target
from lamina.layers._written import WrittenLayer
from lamina.layers.applying import Applied, Limits, ParentNeeded
from lamina.layers.comparing import opened_trees
from lamina.layers.compression import Compression
from lamina.layers.workers._messages import (
    LARGEST,
    MOST_FDS,
    Answer,
    ApplyRequest,
    CompareRequest,
    Failed,
    NeedsParent,
    Output,
    Request,
    Working,
    decode_answer,
    encode,
)
from lamina.lazy import code_was_replaced
from lamina.mount import Mount

if TYPE_CHECKING:
    import subprocess

_Result = TypeVar("_Result")
_PROGRAM: Final = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from lamina.layers.workers._process import main; main(int(sys.argv[1]))"
)
"""Runs without the module `site`, whose result is passed on in `sys.path`: that halves the time of a start."""


class Worker:
    """A process that serves one request at a time. One thread at a time uses it, but any may `kill` it."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            Unavailable: This interpreter cannot be started, because it is part of another program.
            FailedPrecondition: The process would run other code than this one.
            ResourceExhausted: There are too many processes or descriptors.
        """
        _check_code()
        self._is_killed = False
        with translated("start a worker process"):
            self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                with theirs:
                    self._process = _start(theirs.fileno())
            except BaseException:
                self._connection.close()
                raise

    def apply(
        self,
        blob: Blob,
        mounts: Sequence[Mount],
        *,
        rebased: bool,
        limits: Limits | None,
        progress: Callable[[int], object] | None,
    ) -> Applied:
        """Apply a layer, within `Limits()` if none are given.

        Raises:
            Unavailable: The process ended. `is_running` is False then, as after `Canceled` and `DeadlineExceeded`.
            FailedPrecondition: lamina was replaced on disk, so that the process runs other code than this one.
            Error: See `Differ.apply`.
        """
        with opened_target(mounts, rebased=rebased) as target:
            request = ApplyRequest(blob.offset, blob.size, target.whiteouts, limits or Limits())
            fds = [blob.fd, target.root, *([] if target.parent is None else [target.parent])]
            answer = self._ask(request, fds, progress, None)
        if isinstance(answer, NeedsParent):
            raise ParentNeeded(answer.text)
        return self._checked(answer, Applied)

    def compare(
        self,
        lower: Sequence[Mount],
        upper: Sequence[Mount],
        write: Callable[[bytes | memoryview], object],
        *,
        compression: Compression,
        source_date_epoch: int | None,
        progress: Callable[[int], object] | None,
    ) -> WrittenLayer:
        """Write the layer that turns one tree into another.

        Raises:
            Unavailable, FailedPrecondition: As for `apply`.
            Error: See `Differ.compare`.
        """
        with opened_trees(lower, upper) as trees:
            roots = [trees.upper, *([] if trees.lower is None else [trees.lower])]
            # Without the layers, the trees are walked side by side, with the same outcome.
            layers = trees.layers
            if layers is not None and len(roots) + len(layers) > MOST_FDS:
                layers = None
            request = CompareRequest(trees.lower is not None, layers is not None, compression, source_date_epoch)
            return self._checked(self._ask(request, [*roots, *(layers or ())], progress, write), WrittenLayer)

    def _ask(
        self,
        request: Request,
        fds: Sequence[int],
        progress: Callable[[int], object] | None,
        write: Callable[[bytes | memoryview], object] | None,
    ) -> Answer:
        """Send a request; return the last answer, after all output. Without one, the process ends.

        The process may import code at any time, so its answer counts only if the code is still the same.
        """
        _check_code()
        call = current()
        unregister = call.on_cancel(self.kill)
        answered = False
        try:
            self._send(request, fds)
            while True:
                answer = self._receive(call, request.doing)
                if isinstance(answer, Working):
                    if progress:
                        progress(answer.done)
                elif isinstance(answer, Output) and write:
                    write(answer.data)
                else:
                    break
            _check_code()
            answered = True
            return answer
        finally:
            unregister()
            if not answered:
                self.close()

    def _checked(self, answer: Answer, expected: type[_Result]) -> _Result:
        if isinstance(answer, Failed):
            raise from_status(answer.code, answer.text)
        if not isinstance(answer, expected):
            raise self._confused()
        return answer

    def _confused(self) -> Unavailable:
        return Unavailable(f"{self._name} sent what it should not; try again")

    def _send(self, request: Request, fds: Sequence[int]) -> None:
        # If the process has ended, `_receive` says how.
        with translated("call a worker process"), contextlib.suppress(ConnectionError):
            socket.send_fds(self._connection, [encode(request)], fds)

    def _receive(self, call: CallContext, doing: str) -> Answer:
        """Wait for the next packet, until the call ends or the process does."""
        call.check()
        try:
            self._connection.settimeout(call.remaining())
            packet = self._connection.recv(LARGEST)
        except ConnectionError:
            packet = b""
        except (TimeoutError, BlockingIOError):
            raise DeadlineExceeded(f"the deadline of the call passed while {self._name} {doing}") from None
        if not packet:
            how = _how(self._process.wait())
            call.check()
            raise Unavailable(f"{self._name} {how} while it {doing}; try again")
        try:
            return decode_answer(packet)
        except (ValueError, TypeError, KeyError) as error:
            raise self._confused() from error

    @property
    def _name(self) -> str:
        return f"worker process {self._process.pid}"

    @property
    def is_running(self) -> bool:
        """True if the process can take another request."""
        return not self._is_killed and self._process.poll() is None

    def kill(self) -> None:
        """End the process now. The thread that uses it closes it."""
        self._is_killed = True
        self._process.kill()

    def close(self) -> None:
        """End the process, and wait until it has released its descriptors. Closing twice does nothing."""
        self._process.kill()
        self._process.wait()
        self._connection.close()


def _start(fd: int) -> subprocess.Popen[bytes]:
    import subprocess

    if not os.path.basename(sys.executable or "").startswith("python"):
        raise Unavailable(
            f"{sys.executable!r} cannot be started as a worker process: it is not a Python interpreter; do "
            "without worker processes (processes = 0)"
        )
    path = [os.path.abspath(entry) for entry in sys.path]
    return subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-I", "-S", "-c", _PROGRAM, str(fd), *path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(fd,),
        start_new_session=True,
    )


def _check_code() -> None:
    """Refuse a process that would run other code than this one, with which it exchanges messages.

    Raises:
        FailedPrecondition: lamina was replaced on disk.
    """
    if code_was_replaced():
        pid = os.getpid()
        raise FailedPrecondition(
            f"work on a layer: lamina was replaced on disk after process {pid} had started, so that its worker "
            f"processes would run other code than it does; restart process {pid}"
        )


def _how(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    return f"was killed by {signal.Signals(-code).name}"
