"""Reading the metrics of a lamina host."""

from __future__ import annotations

import re
import urllib.request

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

CONFIG = '[plugins."io.containerd.server.v1.metrics"]\naddress = "127.0.0.1:0"\n'
"""What a configuration file says so that a host has metrics, at a port that is free."""


def url_in(log: str) -> str:
    """Where the host that wrote a log serves its metrics."""
    found = re.findall(r'msg="serving metrics".* url="?(http://[^"\s]+)', log)
    assert found, f"it does not say where its metrics are:\n{log}"
    return found[-1]


def families(url: str) -> list[Metric]:
    """What is told, in the order in which it is."""
    with urllib.request.urlopen(url, timeout=120) as response:
        return list(parse(response.read().decode()))


def openmetrics_families(url: str) -> list[Metric]:
    """As `families`, out of the other format."""
    request = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    with urllib.request.urlopen(request, timeout=120) as response:
        return list(parse_openmetrics(response.read().decode()))


def numbers(url: str, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The samples of a name that are not 0, by the values of some labels."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in families(url)
        for sample in family.samples
        if sample.name == name and sample.value
    }
