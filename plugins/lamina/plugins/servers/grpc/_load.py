"""Load of the threads that answer calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lamina.metrics import Metric, MetricKind


class Load(NamedTuple):
    """Calls of a pool."""

    pool: str
    running: int
    waiting: int
    backend: str = ""
    """Backend that the calls use; "" if the pool does not distinguish backends."""


def load_metrics(loads: Iterable[Load]) -> Iterator[Metric]:
    """Yield the numbers of calls that are being answered and that wait, by pool and backend."""
    loads = tuple(loads)
    running: dict[tuple[str, ...], float] = {(load.pool, load.backend): load.running for load in loads}
    waiting: dict[tuple[str, ...], float] = {(load.pool, load.backend): load.waiting for load in loads}
    labels = ("pool", "snapshotter")
    yield Metric(MetricKind.GAUGE, "lamina_calls_running", "Calls that are being answered.", running, labels)
    yield Metric(MetricKind.GAUGE, "lamina_calls_waiting", "Calls that wait to be answered.", waiting, labels)
