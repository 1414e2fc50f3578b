"""Metrics of plugins as plain data, independent of the monitoring system that reads them."""

from lamina.metrics._histogram import Histogram
from lamina.metrics._metric import Metered, Metric, MetricKind

__all__ = ["Histogram", "Metered", "Metric", "MetricKind"]
