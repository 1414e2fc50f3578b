"""`CallMetrics`: metrics and debug log lines of the calls of a listener."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lamina.api import Method
from lamina.context import CallContext
from lamina.errdefs import Code
from lamina.metrics import Histogram, Metric, MetricKind

_log = logging.getLogger(__name__)

SECONDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Upper bounds of the latency buckets: from a stat in memory to the copy of a large tree."""

_CODES: Final = {code: "".join(word.title() for word in code.name.split("_")) for code in Code} | {
    Code.OK: "OK",
    Code.CANCELLED: "Canceled",
}
"""Names of the codes in Go (google.golang.org/grpc/codes)."""

_SHOWN: Final = 256
"""Characters of a request's field that a log line shows."""


class CallMetrics:
    """Counts the calls of a listener by method and snapshotter. Any thread may call any method.

    Names and labels of the metrics are those of go-grpc-prometheus, which containerd's plugin `grpc-prometheus`
    uses too, so that dashboards for containerd work. The label of the snapshotter is added.
    """

    def __init__(self, methods: Mapping[str, Method]) -> None:
        """Create counters at zero."""
        self._methods: dict[str, Method] = {}
        self._lock = threading.Lock()
        self._started: dict[str, int] = {}
        self.add(methods)
        self._ended: defaultdict[tuple[str, str, int], Histogram] = defaultdict(lambda: Histogram(SECONDS))
        """By path, snapshotter and the number of the code, which is hashed faster than the code."""

    def add(self, methods: Mapping[str, Method]) -> None:
        """Count the calls of more methods, given by path."""
        with self._lock:
            self._methods |= methods
            self._started |= dict.fromkeys(methods, 0)

    def begin(self, path: str) -> None:
        """Count a call that was received."""
        with self._lock:
            self._started[path] += 1

    def repeat(self, path: str, snapshotter: str, began: float) -> None:
        """Count a call that is answered as an earlier one was: its beginning and its end, which is not logged.

        Args:
            path: Path of its method.
            snapshotter: The snapshotter of the earlier call.
            began: Time of its reception, by `time.perf_counter()`.
        """
        seconds = time.perf_counter() - began
        with self._lock:
            self._started[path] += 1
            self._ended[path, snapshotter, 0].observe(seconds)

    @property
    def are_logged(self) -> bool:
        """True if calls are logged."""
        return _log.isEnabledFor(logging.DEBUG)

    def end(
        self,
        path: str,
        context: CallContext,
        code: Code,
        began: float,
        request: Any = None,
        problem: str = "",
    ) -> None:
        """Count the end of a call. Called before its client is answered.

        Args:
            path: Path of its method.
            context: Its context.
            code: Its status.
            began: Time of its reception, by `time.perf_counter()`.
            request: The request; None if it was not decoded.
            problem: The status message.
        """
        seconds = time.perf_counter() - began
        with self._lock:
            self._ended[path, context.tags.get("snapshotter", ""), int(code)].observe(seconds)
        if self.are_logged:
            fields = {
                "method": path,
                "snapshotter": context.tags.get("snapshotter", ""),
                **_fields(request, self._methods[path].logged),
                "code": _CODES[code],
                **({"error": problem} if problem else {}),
                "milliseconds": round(seconds * 1000, 3),
                "trace_id": context.trace_id,
            }
            _log.debug("answered a call", extra=fields)

    def metrics(self) -> Iterator[Metric]:
        """Yield the numbers of calls that began and ended, and their latencies."""
        with self._lock:
            started = self._started.copy()
            ended = {key: histogram.copy() for key, histogram in self._ended.items()}
        taken: defaultdict[tuple[str, ...], Histogram] = defaultdict(lambda: Histogram(SECONDS))
        handled: dict[tuple[str, ...], float] = {}
        for (path, snapshotter, code), histogram in ended.items():
            handled[*self._labels(path), snapshotter, _CODES[Code(code)]] = histogram.count
            taken[*self._labels(path), snapshotter].add(histogram)
        labels = ("grpc_type", "grpc_service", "grpc_method")
        yield Metric(
            MetricKind.COUNTER,
            "grpc_server_started_total",
            "Calls that were received.",
            {self._labels(path): count for path, count in started.items()},
            labels,
        )
        yield Metric(
            MetricKind.COUNTER,
            "grpc_server_handled_total",
            "Calls that have ended, refused and abandoned ones included.",
            handled,
            (*labels, "snapshotter", "grpc_code"),
        )
        yield Metric(
            MetricKind.HISTOGRAM,
            "grpc_server_handling_seconds",
            "Time from the receipt of a call to its last answer, waiting included.",
            taken,
            (*labels, "snapshotter"),
        )

    def _labels(self, path: str) -> tuple[str, str, str]:
        _, service, method = path.split("/", 2)
        return "server_stream" if self._methods[path].streams else "unary", service, method


def _fields(request: Any, names: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a request that are set, by the names that belong to their paths."""
    found = ((name, functools.reduce(_field, path.split("."), request)) for path, name in names.items())
    return {name: _shortened(str(value)) for name, value in found if value}


def _field(message: Any, name: str) -> Any:
    return getattr(message, name, None)


def _shortened(text: str) -> str:
    """Shorten a long text in its middle, because keys differ at their ends."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}…{text[-_SHOWN // 2 :]}"
