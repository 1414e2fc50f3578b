"""Converts the metrics of plugins to Prometheus' metric families."""

from __future__ import annotations

import logging
import platform
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, islice, product
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from lamina.errdefs import FailedPrecondition, InvalidArgument, LeftBehind, describe
from lamina.metrics import Histogram, Metered, Metric, MetricKind
from lamina.plugin import Plugin, Status, call_within, distribution

_log = logging.getLogger(__name__)

SECONDS: Final = 5.0
"""Deadline of each plugin's `metrics()`, in seconds. Prometheus waits 10 s for a scrape (`scrape_timeout`)."""

MAX_METRICS: Final = 10_000
"""Maximum number of metrics that a plugin yields in one scrape."""

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
"""Names of metrics and labels that every version of Prometheus accepts."""
_TAKEN: Final = ("process_", "lamina_build")
"""Prefixes of names that plugins cannot use."""
_FAMILIES: Final[Mapping[MetricKind, type[Any]]] = {
    MetricKind.COUNTER: CounterMetricFamily,
    MetricKind.GAUGE: GaugeMetricFamily,
    MetricKind.HISTOGRAM: HistogramMetricFamily,
}


def registry_of(plugins: Callable[[], Iterable[Plugin]]) -> CollectorRegistry:
    """Return a registry of this process and its plugins, separate from prometheus_client's global one."""
    # Names are checked at each scrape, since the metrics of plugins may change.
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(PluginCollector(plugins))
    return registry


class PluginCollector(Collector):
    """Collects the metrics of all working plugins that are `Metered`, isolating their errors."""

    def __init__(self, plugins: Callable[[], Iterable[Plugin]], seconds: float = SECONDS) -> None:
        """Create a collector.

        Args:
            plugins: Returns the records so far.
            seconds: The deadline of each plugin, in seconds.
        """
        self._plugins = plugins
        self._seconds = seconds
        # Not read again: after an upgrade on disk, this process is still the old version.
        self._build = {"version": distribution("lamina").version, "python": platform.python_version()}
        self._lock = threading.Lock()
        self._problems: dict[str, str] = {}
        """The last error of each plugin, by URI."""
        self._errors: Counter[str] = Counter()
        self._left: dict[str, LeftBehind] = {}
        """Calls that missed their deadline, by URI."""

    def collect(self) -> Iterator[Family]:
        """Return the metric families of all plugins, merged by name."""
        yield InfoMetricFamily("lamina_build", "Version of lamina and of Python.", self._build)
        with self._lock:
            plugins = tuple(self._plugins())
            families = _Families()
            families.add([_counts(plugins), _init_seconds(plugins)])
            for plugin in plugins:
                if plugin.status is Status.OK:
                    self._ask(plugin, families)
            families.add([self._told_errors()])
        yield from families.by_stem.values()

    def _ask(self, plugin: Plugin, families: _Families) -> None:
        uri = plugin.uri
        try:
            if isinstance(plugin.instance, Metered):
                self._check_answered(uri)
                families.add(call_within(self._seconds, "metrics", uri, lambda: _all_of(plugin.instance)))
        except LeftBehind as error:
            self._left[uri] = error
            self._failed(uri, error)
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, even SystemExit
            self._failed(uri, error)
        else:
            self._problems.pop(uri, None)

    def _check_answered(self, uri: str) -> None:
        left = self._left.pop(uri, None)
        if left is not None and left.is_running:
            self._left[uri] = left
            raise FailedPrecondition("an earlier call of metrics() still runs")

    def _failed(self, uri: str, error: BaseException) -> None:
        self._errors[uri] += 1
        problem = describe(error)
        if self._problems.get(uri) != problem:  # otherwise each scrape would log it
            self._problems[uri] = problem
            _log.error(
                "failed to collect the metrics of a plugin",
                extra={"plugin": uri, "error": problem},
                exc_info=error,
            )

    def _told_errors(self) -> Metric:
        samples: dict[tuple[str, ...], float] = {(uri,): count for uri, count in self._errors.items()}
        help_ = "Scrapes without the metrics of a plugin that failed to provide them."
        return Metric(MetricKind.COUNTER, "lamina_plugin_metrics_errors_total", help_, samples, ("plugin",))


def _all_of(instance: Metered) -> list[Metric]:
    """Return the metrics of an instance, which may yield without end."""
    metrics = list(islice(instance.metrics(), MAX_METRICS + 1))
    if len(metrics) > MAX_METRICS:
        raise InvalidArgument(f"metrics() yields more than {MAX_METRICS:,} metrics")
    return metrics


class _Families:
    """Metric families, merged from metrics with the same description.

    They are distinguished by the stem of their names, as in OpenMetrics: `x` and `x_total` conflict.
    """

    def __init__(self) -> None:
        self.by_stem: dict[str, Family] = {}
        self._metrics: dict[str, Metric] = {}
        self._seen: dict[str, set[tuple[str, ...]]] = {}

    def add(self, metrics: Iterable[Metric]) -> None:
        """Add the metrics of one plugin, all or none.

        Raises:
            InvalidArgument: A metric is malformed, or conflicts with another one.
        """
        metrics = list(metrics)
        seen: dict[str, set[tuple[str, ...]]] = {}
        firsts = dict(self._metrics)
        for metric in metrics:
            _check(metric)
            stem = _stem(metric)
            if firsts.setdefault(stem, metric)._replace(samples={}) != metric._replace(samples={}):
                raise InvalidArgument(f"metric {metric.name}: there is another one of this name")
            mine = seen.setdefault(stem, set())
            if not (mine | self._seen.get(stem, set())).isdisjoint(metric.samples):
                raise InvalidArgument(f"metric {metric.name}: the same labels twice")
            mine.update(metric.samples)
        for metric in metrics:
            if _stem(metric) not in self.by_stem:
                self.by_stem[_stem(metric)] = _FAMILIES[metric.kind](
                    metric.name, metric.help, labels=metric.labels
                )
            _fill(self.by_stem[_stem(metric)], metric)
        self._metrics = firsts
        for stem, labels in seen.items():
            self._seen.setdefault(stem, set()).update(labels)


def _stem(metric: Metric) -> str:
    return metric.name.removesuffix("_total")


def _check(metric: Any) -> None:
    """Check a metric, so that it cannot break the scrape. Python does not enforce type hints."""
    if not isinstance(metric, Metric):
        raise InvalidArgument(f"expected a lamina.metrics.Metric, found {metric!r}")
    if not isinstance(metric.kind, MetricKind):
        raise InvalidArgument(f"metric {metric.name!r}: expected a MetricKind, found {metric.kind!r}")
    names: tuple[Any, ...] = (metric.name, *metric.labels)
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        raise InvalidArgument(f"metric {metric.name!r}: expected letters, digits and _ in the names: {names}")
    if metric.name.startswith(_TAKEN):
        raise InvalidArgument(f"metric {metric.name}: the name is the host's own")
    if (metric.kind is MetricKind.COUNTER) != metric.name.endswith("_total"):
        raise InvalidArgument(f"metric {metric.name}: the names of counters, and of no others, end in _total")
    number = Histogram if metric.kind is MetricKind.HISTOGRAM else int | float
    for values, sample in metric.samples.items():
        if isinstance(sample, int):
            float(sample)  # a number beyond the range of floats would fail the whole scrape
        texts = len(values) == len(metric.labels) and all(isinstance(value, str) for value in values)
        if not texts or not isinstance(sample, number):
            raise InvalidArgument(f"metric {metric.name}: wrong labels or no number: {values!r}: {sample!r}")
        "".join((metric.help, *values)).encode()  # lone surrogates would fail the whole scrape


def _fill(family: Any, metric: Metric) -> None:
    for values, sample in metric.samples.items():
        if isinstance(sample, Histogram):
            bounds = (*map(repr, sample.bounds), "+Inf")
            buckets = list(zip(bounds, accumulate(sample.counts), strict=True))
            family.add_metric(values, buckets, sample.total)
        else:
            family.add_metric(values, sample)


def _counts(plugins: Iterable[Plugin]) -> Metric:
    samples: dict[tuple[str, ...], float] = dict.fromkeys(product(map(str, Status), ("false", "true")), 0)
    for plugin in plugins:
        samples[str(plugin.status), str(plugin.retrying).lower()] += 1
    help_ = "Plugins of each status, and whether they are retried."
    return Metric(MetricKind.GAUGE, "lamina_plugins", help_, samples, ("status", "retrying"))


def _init_seconds(plugins: Iterable[Plugin]) -> Metric:
    samples: dict[tuple[str, ...], float] = {
        (plugin.type, plugin.id, str(plugin.status)): plugin.seconds for plugin in plugins
    }
    help_ = "Duration and outcome of the init of a plugin."
    return Metric(MetricKind.GAUGE, "lamina_plugin_init_seconds", help_, samples, ("type", "id", "status"))
