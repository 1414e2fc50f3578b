"""The metrics of a real host with known numbers."""

from __future__ import annotations

import concurrent.futures
import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.context import CallContext, use
from lamina.errdefs import InvalidArgument, NotFound
from lamina.snapshots import Info
from tests.support.directories import short_directory
from tests.support.processes import scraping
from tests.support.processes.hosts import LAMINA, Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

CALLS = ("grpc_method", "snapshotter", "grpc_code")


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture
def serve(directory: Path) -> Iterator[Callable[..., Host]]:
    """`serve(config, *arguments)` runs a host whose log lines are JSON."""
    with ExitStack() as stack:

        def serve(config: str, *arguments: str) -> Host:
            config = f'[debug]\nformat = "json"\nlevel = "debug"\n{config}'
            host = Host(directory, config, arguments, environment={"PYTHONPATH": str(directory)})
            return stack.enter_context(host.launched())

        yield serve


@pytest.fixture(params=["native", "grpcio"])
def serving(serve: Callable[..., Host], request: pytest.FixtureRequest) -> Host:
    """A host with scraping, with each engine."""
    listener = f'[plugins."io.containerd.server.v1.grpc"]\nengine = "{request.param}"\n'
    return serve(scraping.CONFIG + listener).wait_ready()


@pytest.fixture
def client(serving: Host) -> Iterator[Client]:
    with Client(f"{serving.state}/lamina.sock", timeout=120) as client:
        yield client


@pytest.fixture
def url(serving: Host) -> str:
    (line,) = [line for line in lines(serving) if line["msg"] == "serving metrics"]
    return str(line["url"])


def lines(serving: Host) -> list[dict[str, object]]:
    """The lines of its log, without one that is just being written."""
    return [json.loads(line) for line in serving.stderr.split("\n")[:-1]]


def test_calls_are_counted_by_method_snapshotter_and_code(client: Client, url: str) -> None:
    overlay = client.snapshotter("lamina")
    for key in "abc":
        overlay.prepare(key)
    overlay.commit("base", "a")
    with pytest.raises(NotFound):
        overlay.stat("unknown")
    assert len(list(overlay.walk())) == 3
    client.snapshotter("overlayfs").prepare("a")
    assert scraping.numbers(url, "grpc_server_handled_total", *CALLS) == {
        ("Prepare", "lamina", "OK"): 3,
        ("Commit", "lamina", "OK"): 1,
        ("Stat", "lamina", "NotFound"): 1,
        ("List", "lamina", "OK"): 1,
        ("Prepare", "overlayfs", "OK"): 1,
    }
    assert scraping.numbers(url, "grpc_server_started_total", "grpc_method", "grpc_type") == {
        ("Prepare", "unary"): 4, ("Commit", "unary"): 1, ("Stat", "unary"): 1, ("List", "server_stream"): 1,
    }  # fmt: skip
    assert scraping.numbers(url, "grpc_server_handling_seconds_count", "grpc_method", "snapshotter") == {
        ("Prepare", "lamina"): 3, ("Commit", "lamina"): 1, ("Stat", "lamina"): 1, ("List", "lamina"): 1,
        ("Prepare", "overlayfs"): 1,
    }  # fmt: skip


def test_unknown_names_create_no_series(client: Client, url: str) -> None:
    for number in range(20):
        with pytest.raises(InvalidArgument, match="not loaded"):
            client.snapshotter(f"made-up-{number}").stat("a")
    assert scraping.numbers(url, "grpc_server_handled_total", *CALLS) == {("Stat", "", "InvalidArgument"): 20}


def test_snapshots_are_counted_by_kind(client: Client, url: str) -> None:
    overlay = client.snapshotter("lamina")
    overlay.prepare("a")
    overlay.commit("base", "a")
    overlay.prepare("b", "base")
    overlay.prepare("c", "base")
    overlay.view("d", "base")
    client.snapshotter("native").prepare("a")
    labels = ("snapshotter", "keyspace", "kind")
    assert scraping.numbers(url, "lamina_snapshots", *labels) == {
        ("overlayfs", "lamina", "committed"): 1,
        ("overlayfs", "lamina", "active"): 2,
        ("overlayfs", "lamina", "view"): 1,
        ("native", "native", "active"): 1,
    }
    overlay.remove("b")
    assert scraping.numbers(url, "lamina_snapshots", *labels)["overlayfs", "lamina", "active"] == 1


def test_commits_of_the_metastore_have_all_operations(client: Client, url: str) -> None:
    def operations() -> float:
        return scraping.numbers(url, "lamina_metastore_commit_operations_sum")[()]

    overlay = client.snapshotter("lamina")
    overlay.prepare("first")  # reserves identifiers
    before = operations()
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: overlay.prepare(f"{number}"), range(40)))
    assert operations() - before == 40
    commits = scraping.numbers(url, "lamina_metastore_commit_operations_count")
    assert commits == scraping.numbers(url, "lamina_metastore_commit_seconds_count")


def test_the_init_of_each_plugin_is_exported_as_by_introspection(client: Client, url: str) -> None:
    told = {
        (sample.labels["type"], sample.labels["id"], sample.labels["status"])
        for family in scraping.families(url)
        for sample in family.samples
        if sample.name == "lamina_plugin_init_seconds"
    }
    assert told == {(plugin.type, plugin.id, plugin.status) for plugin in client.plugins()}


def test_both_formats_have_the_same_metrics(client: Client, url: str) -> None:
    client.snapshotter("lamina").prepare("a")

    def names(families: list[scraping.Metric]) -> set[str]:
        return {
            sample.name for family in families for sample in family.samples if not sample.name.endswith("_created")
        }

    assert names(scraping.families(url)) == names(scraping.openmetrics_families(url))


def test_each_call_has_a_line_with_the_trace_id_that_its_client_gave(client: Client, serving: Host) -> None:
    with use(CallContext(trace_id="ab" * 16)):
        client.snapshotter("lamina").prepare("a")
    (line,) = [line for line in lines(serving) if line.get("trace_id") == "ab" * 16]
    assert (line["msg"], line["method"], line["snapshotter"], line["code"]) == (
        "answered a call", "/containerd.services.snapshots.v1.Snapshots/Prepare", "lamina", "OK",
    )  # fmt: skip


def test_the_log_line_of_a_call_names_its_snapshot(client: Client, serving: Host) -> None:
    lamina = client.snapshotter("lamina")
    lamina.prepare("work")
    lamina.commit("base", "work")
    lamina.update(Info("base", labels={"a": "b"}), ("labels.a",))
    lamina.prepare("next", "base")
    with pytest.raises(InvalidArgument):
        client.snapshotter("other").stat("base")
    calls = [line for line in lines(serving) if line["msg"] == "answered a call"]
    told = [
        tuple(line.get(field) for field in ("snapshotter", "key", "committed", "parent", "code")) for line in calls
    ]
    assert told == [
        ("lamina", "work", None, None, "OK"),
        ("lamina", "work", "base", None, "OK"),
        ("lamina", "base", None, None, "OK"),
        ("lamina", "next", None, "base", "OK"),
        ("other", "base", None, None, "InvalidArgument"),
    ]


PLUGIN = """
from lamina.metrics import Metric, MetricKind
from lamina.plugin import PluginType, Registration, hookimpl

class Clock:
    def __init__(self, error): self.error = error
    def metrics(self):
        if self.error: raise OSError("no clock")
        yield Metric(MetricKind.COUNTER, "example_ticks_total", "Ticks.", {("wall",): 7}, ("clock",))

@hookimpl
def lamina_register():
    yield Registration(type="com.example.clock.v1", id="good", init=lambda ic: Clock(False))
    yield Registration(type="com.example.clock.v1", id="bad", init=lambda ic: Clock(True))
"""


def test_third_party_plugins_export_metrics_and_a_failing_one_affects_no_other(
    directory: Path, serve: Callable[..., Host]
) -> None:
    (directory / "clock.py").write_text(PLUGIN)
    serving = serve(scraping.CONFIG, "-p", "clock").wait_ready()
    (url,) = [str(line["url"]) for line in lines(serving) if line["msg"] == "serving metrics"]
    assert scraping.numbers(url, "example_ticks_total", "clock") == {("wall",): 7}
    assert scraping.numbers(url, "lamina_plugin_metrics_errors_total", "plugin").keys() == {
        ("com.example.clock.v1.bad",)
    }
    (line,) = [line for line in lines(serving) if line["msg"] == "failed to collect the metrics of a plugin"]
    assert (line["plugin"], line["error"]) == ("com.example.clock.v1.bad", "OSError: no clock")


def test_a_port_in_use_fails_the_start(serve: Callable[..., Host]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        serving = serve(scraping.CONFIG.replace(":0", f":{port}"))
        assert serving.wait() == 1
    assert f"start io.containerd.server.v1.metrics: address '127.0.0.1:{port}'" in serving.stderr
    assert "Address already in use" in serving.stderr


def test_an_invalid_address_is_reported_with_its_key(serve: Callable[..., Host]) -> None:
    serving = serve(scraping.CONFIG.replace("127.0.0.1:0", "here"))
    assert serving.wait() == 1
    assert 'plugins."io.containerd.server.v1.metrics".address' in serving.stderr
    assert "expected host:port" in serving.stderr


def test_a_silent_reader_does_not_affect_the_host(client: Client, serving: Host, url: str) -> None:
    host, port = url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=60) as silent:
        client.snapshotter("lamina").prepare("a")
        # A call counts as running for a moment after its client has the answer.
        wait_until(lambda: scraping.numbers(url, "lamina_calls_running") == {}, 60, "no call is being answered")
        assert serving.send(signal.SIGTERM).wait() == 0
        assert silent.recv(1) == b""


SPY = """
import atexit, sys
from lamina.plugin import hookimpl

atexit.register(lambda: print("imported:", "prometheus_client" in sys.modules, file=sys.stderr))

@hookimpl
def lamina_register():
    return []
"""


def test_without_an_address_its_modules_are_not_imported(directory: Path) -> None:
    (directory / "spy.py").write_text(SPY)
    serving = Host(directory, "", ("-p", "spy"), lamina=LAMINA, environment={"PYTHONPATH": str(directory)})
    with serving.running():
        pass
    assert serving.stderr.splitlines()[-1] == "imported: False"
