"""`Metric`, and the protocol of objects that have some."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from lamina.metrics._histogram import Histogram


class MetricKind(enum.StrEnum):
    """The kind of a metric, as in Prometheus."""

    COUNTER = "counter"
    """Only grows, from 0 at the start of the process."""
    GAUGE = "gauge"
    """Goes up and down."""
    HISTOGRAM = "histogram"
    """Samples are `Histogram` objects."""


class Metric(NamedTuple):
    """A named set of samples, distinguished by labels. Names follow Prometheus (best practices, naming)."""

    kind: MetricKind
    name: str
    """Name with its unit: `lamina_trash_entries`. The name of a counter ends in `_total`."""
    help: str
    """Description, in one sentence."""
    samples: Mapping[tuple[str, ...], float | Histogram]
    """The samples by the values of `labels`; by `()` if there are no labels."""
    labels: tuple[str, ...] = ()
    """Names of the labels. Values must come from a bounded set, not from clients: each creates a series."""


@runtime_checkable
class Metered(Protocol):
    """An object with metrics. Instances of plugins that have this method are read at each scrape."""

    def metrics(self) -> Iterable[Metric]:
        """Return the current metrics. Called from any thread; must return quickly."""
