"""What parts of a host count, as plain numbers: whoever counts need not know who reads."""

from lamina.metrics._histogram import Histogram
from lamina.metrics._metric import Metered, Metric, MetricKind

__all__ = ["Histogram", "Metered", "Metric", "MetricKind"]
