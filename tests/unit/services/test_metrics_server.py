"""The metrics server over real connections."""

from __future__ import annotations

import http.client
import logging
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.registry import Collector

from lamina.config import from_document
from lamina.errdefs import ConfigError, InvalidArgument, SkipPlugin, Unavailable
from lamina.plugin import Plugin, PluginSet, Readiness, Status, initialise
from lamina.plugins.servers.metrics import plugin as metrics_plugin
from lamina.plugins.servers.metrics._address import host_and_port
from lamina.plugins.servers.metrics._server import MAX_CONNECTIONS, MetricsServer
from tests.support.waiting import wait_until

SECONDS = 60
URI = "io.containerd.server.v1.metrics"


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("x", "Things.", registry=registry).set(3)
    return registry


@pytest.fixture
def start(registry: CollectorRegistry) -> Iterator[Callable[..., MetricsServer]]:
    """`start(address, …)` starts a server; the test's end closes it."""
    servers = []

    def start(address: str = "127.0.0.1:0", **options: float) -> MetricsServer:
        server = MetricsServer(address, registry, **options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.close()
    wait_until(lambda: not names(), SECONDS, "the end of the servers' threads")  # the next test looks for its own


def place(server: MetricsServer) -> tuple[str, int]:
    found = re.fullmatch(r"http://\[?(.*?)\]?:(\d+)/v1/metrics", server.url)
    assert found
    return found[1], int(found[2])


def read(url: str, **headers: str) -> tuple[str, str]:
    """The type and the text of a page."""
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        return response.headers["Content-Type"], response.read().decode()


def test_the_metrics_are_at_containerds_path(start: Callable[..., MetricsServer]) -> None:
    kind, text = read(start().url)
    assert kind.startswith("text/plain; version=")
    assert "x 3.0\n" in text


def test_openmetrics_is_served_on_request(start: Callable[..., MetricsServer]) -> None:
    kind, text = read(start().url, Accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/", "/metrics", "/v1/metrics/"])
def test_another_path_is_refused_with_the_right_one(start: Callable[..., MetricsServer], path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        read(start().url.replace("/v1/metrics", path))
    with caught.value as error:
        assert (error.code, error.read()) == (404, b"The metrics are at /v1/metrics\n")


def test_it_listens_only_on_its_address(start: Callable[..., MetricsServer]) -> None:
    host, port = place(start("127.0.0.1:0"))
    assert host == "127.0.0.1"
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_an_ipv6_address_works(start: Callable[..., MetricsServer]) -> None:
    server = start("[::1]:0")
    assert server.url.startswith("http://[::1]:")
    assert "x 3.0\n" in read(server.url)[1]


def test_a_port_in_use_is_reported_with_its_address(start: Callable[..., MetricsServer]) -> None:
    _, port = place(start())
    with pytest.raises(Unavailable, match=rf"'127.0.0.1:{port}': cannot listen: Address already in use"):
        start(f"127.0.0.1:{port}")


def test_an_address_of_another_machine_is_reported(start: Callable[..., MetricsServer]) -> None:
    with pytest.raises(Unavailable, match="Cannot assign requested address"):
        start("192.0.2.1:0")


def test_an_unknown_host_name_is_reported(start: Callable[..., MetricsServer]) -> None:
    with pytest.raises(InvalidArgument, match=r"'nobody\.invalid:0'"):
        start("nobody.invalid:0")


def test_a_reader_that_sends_nothing_is_dropped(start: Callable[..., MetricsServer]) -> None:
    server = start(seconds=0.1)
    with socket.create_connection(place(server), timeout=SECONDS) as silent:
        assert silent.recv(1) == b""


def test_a_reader_that_sends_little_by_little_is_dropped(start: Callable[..., MetricsServer]) -> None:
    server = start(seconds=0.3)
    with socket.create_connection(place(server), timeout=SECONDS) as slow:
        slow.sendall(b"GET /v1/metrics HTTP/1.1\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            drip(slow)


def drip(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"X")
        threading.Event().wait(0.05)


def test_silent_readers_do_not_hold_connections_forever(start: Callable[..., MetricsServer]) -> None:
    server = start(seconds=0.5)
    silent = [socket.create_connection(place(server), timeout=SECONDS) for _ in range(MAX_CONNECTIONS + 1)]
    try:
        assert silent[-1].recv(1) == b"", "one too many must be turned away"
        assert all(one.recv(1) == b"" for one in silent)
        served = server._server
        assert served
        wait_until(lambda: not served._since, SECONDS, "their threads have closed them")
        served._seconds = SECONDS  # for a loaded machine
        assert "x 3.0\n" in read(server.url)[1]
    finally:
        for one in silent:
            one.close()


def test_close_ends_what_is_open_and_frees_the_port(start: Callable[..., MetricsServer]) -> None:
    server = start()
    host, port = place(server)
    with socket.create_connection((host, port), timeout=SECONDS) as silent:
        wait_until(lambda: "metrics request" in names(), SECONDS, "a thread for the connection")
        server.close()
        assert silent.recv(1) == b""
    server.close()
    start(f"127.0.0.1:{port}")


def test_after_close_no_thread_is_left(start: Callable[..., MetricsServer]) -> None:
    server = start()
    read(server.url)
    with socket.create_connection(place(server), timeout=SECONDS):
        wait_until(lambda: "metrics request" in names(), SECONDS, "a thread for the connection")
        server.close()
        wait_until(lambda: not names(), SECONDS, "the end of its threads")


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"metrics", "metrics request"}


class Broken(Collector):
    def collect(self) -> Iterator[object]:
        raise KeyError("x")


def test_a_failed_scrape_is_logged_and_the_next_one_works(
    start: Callable[..., MetricsServer], registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    server = start()
    broken = Broken()
    registry._collector_to_names[broken] = []
    with pytest.raises(http.client.RemoteDisconnected):
        read(server.url)
    registry.unregister(broken)
    assert "x 3.0\n" in read(server.url)[1]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "metrics request failed"
    ]


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:1338", ("127.0.0.1", 1338)),
        ("[::1]:1338", ("::1", 1338)),
        ("localhost:0", ("localhost", 0)),
        (":1338", ("", 1338)),
    ],
)
def test_an_address_is_host_and_port(address: str, parts: tuple[str, int]) -> None:
    assert host_and_port(address) == parts


@pytest.mark.parametrize(
    "address", ["1338", "x", "x:", "x:y", "x:65536", "x:-1", "::1:1338", "unix:///run/x", "x:²"]
)
def test_an_invalid_address_is_refused_with_its_setting(address: str) -> None:
    (registration,) = metrics_plugin.lamina_register()
    config = from_document({"plugins": {URI: {"address": address}}})
    with pytest.raises(ConfigError, match=f"{URI}.*address.*expected"):
        config.decode_plugins({URI: registration.config})


def test_without_an_address_it_is_skipped() -> None:
    (registration,) = metrics_plugin.lamina_register()
    assert registration.config
    record = init(registration.config())
    assert record.status is Status.SKIPPED
    assert isinstance(record.error, SkipPlugin)
    assert record.reason == "address is not set"


def init(config: object) -> Plugin:
    (registration,) = metrics_plugin.lamina_register()
    return initialise(
        registration,
        config=config,
        root=Path("/none"),
        state=Path("/none"),
        plugins=PluginSet(),
        readiness=Readiness(),
    )
