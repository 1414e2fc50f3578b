"""`WorkerDiffer`: a pool of worker processes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from lamina.context import current
from lamina.errdefs import Unavailable
from lamina.layers._contract import Blob, Differ
from lamina.layers.compression import Compression

if TYPE_CHECKING:
    from lamina.layers._written import WrittenLayer
    from lamina.layers.applying import Applied, Limits
    from lamina.layers.workers._worker import Worker
    from lamina.mount import Mount

IDLE_SECONDS: Final = 30.0
"""The time in seconds for which idle processes are kept: each takes as much memory as a small host."""
_SECONDS: Final = 0.1
"""The interval at which a call that waits for a process checks whether it was cancelled."""


class WorkerDiffer(Differ):
    """Applies layers and compares trees in worker processes, one at a time in each. Further calls wait."""

    def __init__(
        self, processes: int = 2, limits: Limits | None = None, *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        """Start nothing yet.

        Args:
            processes: Maximum number of processes. More than two are no faster on one disk.
            limits: The limits of what one layer may write; `Limits()` by default.
            idle_seconds: The time for which idle processes are kept.
        """
        self._processes = processes
        self._limits = limits
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._busy: list[Worker | None] = []
        """The workers in use; None for one that is being started."""
        self._ending: threading.Timer | None = None
        self._closed = False

    def warm_up(self, calls: int) -> None:
        """Implement `Applier.warm_up`: a process takes as long to start as a first layer to arrive."""
        processes = min(calls, self._processes)
        for _ in range(processes):
            if not self._reserve(processes):
                return
            worker = None
            try:
                worker = self._replace(None)
            finally:
                self._give_back(worker)

    def apply(
        self,
        blob: Blob,
        mounts: Sequence[Mount],
        *,
        rebased: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> Applied:
        with self._worker() as worker:
            return worker.apply(blob, mounts, rebased=rebased, limits=self._limits, progress=progress)

    def compare(
        self,
        lower: Sequence[Mount],
        upper: Sequence[Mount],
        write: Callable[[bytes | memoryview], object],
        *,
        compression: Compression = Compression.GZIP,
        source_date_epoch: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> WrittenLayer:
        with self._worker() as worker:
            return worker.compare(
                lower,
                upper,
                write,
                compression=compression,
                source_date_epoch=source_date_epoch,
                progress=progress,
            )

    def close(self) -> None:
        """End all processes. Calls in progress raise `Unavailable`."""
        with self._changed:
            self._closed = True
            busy = [worker for worker in self._busy if worker is not None]
            self._changed.notify_all()
        for worker in busy:
            worker.kill()
        self._end_idle()

    @contextlib.contextmanager
    def _worker(self) -> Iterator[Worker]:
        """Yield a process that runs and is not busy."""
        worker = self._take()
        try:
            if worker is None or not worker.is_running:
                worker = self._replace(worker)
            yield worker
        finally:
            self._give_back(worker)

    def _take(self) -> Worker | None:
        """Wait until there may be one process more; return an idle one, or None to start one."""
        with self._changed:
            while not self._closed and len(self._busy) >= self._processes:
                self._changed.wait(_SECONDS)
                current().check()
            self._check_open()
            self._stop_timer()
            worker = self._idle.pop() if self._idle else None
            self._busy.append(worker)
            return worker

    def _reserve(self, processes: int) -> bool:
        """Reserve a place for another process, unless the maximum is reached."""
        with self._changed:
            if self._closed or len(self._busy) + len(self._idle) >= processes:
                return False
            self._stop_timer()
            self._busy.append(None)
            return True

    def _replace(self, ended: Worker | None) -> Worker:
        from lamina.layers.workers._worker import Worker

        if ended is not None:
            ended.close()
        worker = Worker()
        with self._changed:
            self._busy[self._busy.index(ended)] = worker
            closed = self._closed
        if closed:
            worker.kill()
        return worker

    def _give_back(self, worker: Worker | None) -> None:
        usable = worker is not None and worker.is_running
        with self._changed:
            self._busy.remove(worker)
            if worker is not None and usable and not self._closed:
                self._idle.append(worker)
                worker = None
            if self._idle and not self._busy:
                self._ending = threading.Timer(self._idle_seconds, self._end_idle)
                self._ending.daemon = True
                self._ending.start()
            self._changed.notify()
        if worker is not None:
            worker.close()

    def _stop_timer(self) -> None:
        """Keep idle processes running. The caller has the lock."""
        if self._ending is not None:
            self._ending.cancel()

    def _end_idle(self) -> None:
        with self._changed:
            idle, self._idle = self._idle, []
            self._stop_timer()
        for worker in idle:
            worker.close()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the differ is closed")
