"""Metrics of plugins in Prometheus format."""

from __future__ import annotations

import itertools
import threading

import attrs
import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from lamina.errdefs import SkipPlugin
from lamina.metrics import Histogram, Metric, MetricKind
from lamina.plugin import Plugin, Status
from lamina.plugins.servers.metrics._collector import PluginCollector, registry_of

SECONDS = 60
ERRORS = "lamina_plugin_metrics_errors_total"


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Give every source time enough, on a loaded machine as well."""
    monkeypatch.setattr(PluginCollector.__init__, "__defaults__", (SECONDS,))


@attrs.define
class Told:
    """An instance that returns the given metrics or raises the given error."""

    told: object

    def metrics(self):
        if isinstance(self.told, BaseException):
            raise self.told
        return self.told


def plugin(id_, told, **options):
    return Plugin(type="test.v1", id=id_, instance=Told(told), **options)


def gauge(name, **samples):
    return Metric(
        MetricKind.GAUGE, name, "Things.", {(label,): number for label, number in samples.items()}, ("l",)
    )


def histogram():
    histogram = Histogram((0.5, 1.0))
    for number in (0.1, 0.7, 9):
        histogram.observe(number)
    return Metric(MetricKind.HISTOGRAM, "x_seconds", "Time.", {(): histogram})


def samples(*plugins):
    """The samples by name and label values, out of Prometheus' own parser."""
    registry = registry_of(lambda: plugins)
    families = parse(generate_latest(registry).decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.startswith(("process_", "lamina_build", "lamina_plugins", "lamina_plugin_init"))
    }


def test_each_kind_of_metric_is_exported():
    counter = Metric(MetricKind.COUNTER, "x_total", "Calls.", {("a", "b"): 3}, ("l", "m"))
    assert samples(plugin("a", [counter, gauge("y", a=1.5), histogram()])) == {
        ("x_total", "a", "b"): 3,
        ("y", "a"): 1.5,
        ("x_seconds_bucket", "0.5"): 1,
        ("x_seconds_bucket", "1.0"): 2,
        ("x_seconds_bucket", "+Inf"): 3,
        ("x_seconds_count",): 3,
        ("x_seconds_sum",): 9.8,
    }


def test_the_output_is_valid_openmetrics():
    counter = Metric(MetricKind.COUNTER, "x_total", "Calls.", {(): 3})
    registry = registry_of(lambda: [plugin("a", [counter, gauge("y", a=1), histogram()])])
    families = {
        family.name: family for family in parse_openmetrics(openmetrics.generate_latest(registry).decode())
    }
    assert {"x", "y", "x_seconds", "lamina_build", "lamina_plugin_init_seconds"} <= families.keys()


def test_metrics_with_one_name_are_grouped():
    assert samples(plugin("a", [gauge("y", a=1)]), plugin("b", [gauge("y", b=2)])) == {
        ("y", "a"): 1,
        ("y", "b"): 2,
    }


def test_the_init_of_every_plugin_is_exported():
    plugins = (
        plugin("a", [], seconds=0.5),
        Plugin(type="test.v1", id="b", status=Status.SKIPPED, error=SkipPlugin("x"), seconds=0.25),
    )
    registry = registry_of(lambda: plugins)
    told = {"type": "test.v1", "id": "a", "status": "ok"}
    assert registry.get_sample_value("lamina_plugin_init_seconds", told) == 0.5
    told = {"type": "test.v1", "id": "b", "status": "skipped"}
    assert registry.get_sample_value("lamina_plugin_init_seconds", told) == 0.25


def test_plugins_are_counted_by_status_and_by_whether_they_are_tried_again():
    failed = Plugin(type="test.v1", id="b", status=Status.FAILED, error=OSError("full"), retrying=True)
    registry = registry_of(lambda: (plugin("a", []), failed))

    def count(status, retrying):
        return registry.get_sample_value("lamina_plugins", {"status": status, "retrying": retrying})

    assert count("ok", "false") == 1
    assert (count("failed", "true"), count("failed", "false"), count("blocked", "true")) == (1, 0, 0)


@pytest.mark.parametrize(
    "told",
    [
        OSError("disk"),
        SystemError("x"),
        SystemExit("x"),
        itertools.repeat(5),
        [gauge("y", a=10**400)],
        [gauge("y", **{"\udcff": 1})],
        [Metric(MetricKind.GAUGE, "y", "\udcff", {(): 1})],
        None,
        ["y"],
        [gauge("y y", a=1)],
        [gauge("y_total", a=1)],
        [Metric(MetricKind.COUNTER, "y", "Things.", {(): 1})],
        [Metric("gauge", "y", "Things.", {(): 1})],
        [Metric(MetricKind.GAUGE, "y", "Things.", {("a",): 1})],
        [Metric(MetricKind.GAUGE, "y", "Things.", {(): "1"})],
        [Metric(MetricKind.HISTOGRAM, "y", "Things.", {(): 1})],
        [Metric(MetricKind.GAUGE, "y", "Things.", {(1,): 1}, ("l",))],
        [gauge("process_open_fds", a=1)],
        [gauge("fine", a=1), gauge("good", x=1)],
        [gauge("fine", a=1), Metric(MetricKind.COUNTER, "good_total", "Things.", {(): 1})],
        [gauge("fine", a=1), gauge("fine", a=2)],
    ],
    ids=repr,
)
def test_a_failing_source_affects_no_other_and_exports_nothing_partial(told, caplog):
    found = samples(plugin("good", [gauge("good", x=1)]), plugin("bad", told), plugin("b", [gauge("z", a=2)]))
    assert found == {("good", "x"): 1, ("z", "a"): 2, (ERRORS, "test.v1.bad"): 1}
    assert [record.plugin for record in caplog.records] == ["test.v1.bad"]


def test_an_instance_that_cannot_be_looked_at_affects_no_other(caplog):
    class Shy:
        def __getattr__(self, name):
            raise SystemExit

    shy = Plugin(type="test.v1", id="shy", instance=Shy())
    assert samples(shy, plugin("b", [gauge("z", a=2)])) == {("z", "a"): 2, (ERRORS, "test.v1.shy"): 1}


def test_a_repeated_failure_is_logged_once_and_counted_each_time(caplog):
    registry = registry_of(lambda: [plugin("bad", OSError("disk"))])
    for _ in range(3):
        generate_latest(registry)
    assert registry.get_sample_value(ERRORS, {"plugin": "test.v1.bad"}) == 4
    assert len(caplog.records) == 1


def test_a_hanging_source_is_read_again_only_after_it_returns(hang):
    asked = threading.Semaphore(0)

    class Source:
        def metrics(self):
            asked.release()
            hang()
            return [gauge("y", a=1)]

    record = Plugin(type="test.v1", id="slow", instance=Source())
    collector = PluginCollector(lambda: [record], seconds=0.01)
    names = {family.name for _ in range(3) for family in collector.collect()}
    assert "y" not in names
    hang.release.set()
    assert asked.acquire(timeout=SECONDS)
    assert not asked.acquire(blocking=False)


def test_failed_plugins_are_not_read():
    assert samples(plugin("a", [gauge("y", a=1)], status=Status.FAILED, error=OSError("x"))) == {}


def test_instances_without_metrics_are_not_an_error():
    assert samples(Plugin(type="test.v1", id="a", instance=object())) == {}
