"""`Scheduler`: collections for callers, and at intervals."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from lamina.context import CallContext, current, use
from lamina.errdefs import Canceled, message
from lamina.metadata.collection import GarbageCollector
from lamina.metrics import Metric
from lamina.plugins.gc._config import SchedulerConfig
from lamina.plugins.gc._numbers import Numbers, Run

if TYPE_CHECKING:
    from lamina.metadata.collection import Chain, Collector, Removed, Usage

_log = logging.getLogger(__name__)


class Scheduler(GarbageCollector):
    """Runs a collector for its callers and, with an interval, by itself; logs and counts what each run removes."""

    def __init__(
        self,
        collector: Callable[[], Collector],
        config: SchedulerConfig,
        check: Callable[[], object] = lambda: None,
        accept: Callable[[], object] = lambda: None,
    ) -> None:
        """Start collecting, if the configuration has an interval.

        Args:
            collector: Returns the collector. Called when there is something to do, since most starts need none.
            config: See `SchedulerConfig`.
            check: Raises if what is needed may be unknown, so that only a caller may collect.
            accept: Called when a caller has collected everything: the next check passes.
        """
        self._new_collector = collector
        self._check = check
        self._accept = accept
        self._grace = config.grace
        self._numbers = Numbers()
        self._changed = threading.Condition()
        self._interval = 0.0
        self._is_closed = False
        self._context = CallContext()
        """Of the collections that no caller asked for."""
        self._thread: threading.Thread | None = None
        self.reconfigure(config)

    @property
    def _collector(self) -> Collector:
        collector = self._shared
        collector.grace = self._grace
        return collector

    @functools.cached_property
    def _shared(self) -> Collector:
        return self._new_collector()

    def collect(self, *, dry_run: bool = False, content_only: bool = False) -> Iterator[Removed]:
        """Remove everything to which nothing refers, until the current call ends."""
        yield from self._collect(dry_run=dry_run, content_only=content_only)
        if not dry_run and not content_only:
            self._accept()

    def _collect(self, *, dry_run: bool = False, content_only: bool = False) -> Iterator[Removed]:
        run, collector = Run(), self._collector
        try:
            for removed in collector.collect(dry_run=dry_run, content_only=content_only):
                run.count(removed)
                yield removed
                current().check()
            run.is_complete = True
        finally:
            if not dry_run:
                self._numbers.add(run)
                _log.info("collected garbage", extra=run.fields())

    def discard(self, digests: Collection[str]) -> None:
        """Remove those of some blobs that nothing needs."""
        self._collector.discard(digests)

    def usage(self) -> Usage:
        """Return the bytes of images."""
        return self._collector.usage()

    def why(self, name: str, namespace: str) -> Sequence[Chain]:
        """Return the references that keep an image, a blob or a snapshot."""
        return self._collector.why(name, namespace)

    def reconfigure(self, config: SchedulerConfig) -> None:
        """Use another grace for the next collection, and another interval for the wait that has begun."""
        self._grace = config.grace
        with self._changed:
            self._interval = min(config.interval, threading.TIMEOUT_MAX)
            if self._interval and self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="garbage collection", daemon=True)
                self._thread.start()
            self._changed.notify()

    def metrics(self) -> Iterable[Metric]:
        """Return metrics of the removals since the start."""
        return self._numbers.metrics()

    def close(self) -> None:
        """Stop a collection that no caller asked for after its current removal, and start no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._context.cancel()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with use(self._context):
            while self._wait():
                try:
                    self._check()
                    for _ in self._collect():
                        pass
                except Canceled:
                    return
                except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the next run may succeed
                    _log.error("failed to collect garbage", extra={"error": message(error)}, exc_info=error)

    def _wait(self) -> bool:
        """Wait for the end of the interval. False: the scheduler was closed."""
        begun = time.monotonic()
        with self._changed:
            while not self._is_closed:
                remaining = begun + self._interval - time.monotonic() if self._interval else None
                if remaining is not None and remaining <= 0:
                    return True
                self._changed.wait(remaining)
        return False
