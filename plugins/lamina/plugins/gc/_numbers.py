"""The numbers of collections, of one run and of all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from lamina.metrics import Metric, MetricKind

if TYPE_CHECKING:
    from lamina.metadata.collection import Removed

_KINDS: Final = ("image", "ingest", "lease", "snapshot", "blob")


class Run:
    """The numbers of one collection."""

    def __init__(self) -> None:
        """Begin to count."""
        self.removed: Counter[str] = Counter()
        """Objects by kind."""
        self.size = 0
        """Bytes freed."""
        self.failed = 0
        """Objects that could not be removed."""
        self.young = 0
        """Objects that stay, because they are younger than the grace."""
        self.is_complete = False
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time since the beginning."""
        return time.monotonic() - self._begun

    def count(self, removed: Removed) -> None:
        """Count an object that nothing refers to."""
        if removed.error:
            self.failed += 1
        elif removed.young:
            self.young += 1
        else:
            self.removed[removed.kind] += 1
            self.size += removed.size

    def fields(self) -> dict[str, Any]:
        """Return the fields of a log line."""
        return {
            **{f"{kind}s": count for kind, count in sorted(self.removed.items())},
            "bytes": self.size,
            "young": self.young,
            "failed": self.failed,
            "complete": self.is_complete,
            "seconds": round(self.seconds, 3),
        }


class Numbers:
    """The numbers of all collections since the start. Thread-safe."""

    def __init__(self) -> None:
        """Begin at 0."""
        self._lock = threading.Lock()
        self._runs = Counter({"complete": 0, "stopped": 0})
        self._removed: Counter[str] = Counter(dict.fromkeys(_KINDS, 0))
        self._size = self._failed = 0
        self._seconds = 0.0

    def add(self, run: Run) -> None:
        """Add a run that has ended."""
        with self._lock:
            self._runs["complete" if run.is_complete else "stopped"] += 1
            self._removed.update(run.removed)
            self._size += run.size
            self._failed += run.failed
            self._seconds = run.seconds

    def metrics(self) -> Iterator[Metric]:
        """Yield the numbers as metrics."""
        counter = MetricKind.COUNTER
        with self._lock:
            runs, removed = _by_label(self._runs), _by_label(self._removed)
            size, failed, seconds = self._size, self._failed, self._seconds
        yield Metric(counter, "lamina_gc_runs_total", "Collections that have ended.", runs, ("result",))
        yield Metric(counter, "lamina_gc_removed_total", "Objects that were removed.", removed, ("kind",))
        yield Metric(counter, "lamina_gc_freed_bytes_total", "Bytes of the objects that were removed.", {(): size})
        yield Metric(counter, "lamina_gc_failures_total", "Objects that could not be removed.", {(): failed})
        yield Metric(
            MetricKind.GAUGE, "lamina_gc_last_run_seconds", "Duration of the last collection.", {(): seconds}
        )


def _by_label(counts: Counter[str]) -> dict[tuple[str, ...], float]:
    return {(label,): count for label, count in counts.items()}
