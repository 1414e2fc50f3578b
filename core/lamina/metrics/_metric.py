"""One thing that is counted or measured."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

import attrs

from lamina.metrics._histogram import Histogram


class MetricKind(enum.StrEnum):
    """How the numbers of a metric behave."""

    COUNTER = "counter"
    """They only grow, from 0 when the process started."""
    GAUGE = "gauge"
    """They go up and down."""
    HISTOGRAM = "histogram"
    """They are `Histogram`s, which only grow."""


@attrs.frozen
class Metric:
    """Numbers of one name, told apart by labels. The naming rules are Prometheus' (best practices, naming)."""

    kind: MetricKind
    name: str
    """With its unit: `lamina_trash_entries`. A counter's ends in `_total`."""
    help: str
    """What is counted or measured, in a sentence."""
    samples: Mapping[tuple[str, ...], float | Histogram]
    """The numbers, by the values of `labels`; of one without labels, by `()`."""
    labels: tuple[str, ...] = ()
    """The names of the labels. What a client may choose freely must not become a value: each makes a series."""


@runtime_checkable
class Metered(Protocol):
    """What tells numbers of itself. A plugin's instance that does is asked whenever somebody reads them."""

    def metrics(self) -> Iterable[Metric]:
        """The numbers as they are now. Called from any thread; soon done."""
