"""Addresses that a host opens before it initialises its plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.config import from_document
from lamina.errdefs import AlreadyExists, PluginFailed
from lamina.host import Host
from lamina.plugin import PROPERTY_GRPC_ADDRESS, InitContext, PluginType
from tests.support.listener.engines import open_channel
from tests.support.plugins.benches import Bench, Closable
from tests.support.waiting import wait_until

SECONDS = 60


def server(bench: Bench, init: Any = lambda ic: ic.listening, **fields: Any) -> None:
    """Register a server that notes when its address is opened and closed."""

    def listen(_config: object, _properties: Mapping[str, str]) -> Closable:
        bench.steps.append("listen")
        return Closable("address", bench.steps)

    bench.plugin(f"{PluginType.SERVER}.door", init, listen=listen, **fields)


def fail(_ic: InitContext[Any]) -> object:
    raise ValueError("cable cut")


def test_addresses_are_open_before_the_first_plugin_is_initialised(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor")
    server(bench, requires=("x.store.v1",))
    with bench.host():
        assert bench.steps == ["listen", "init floor", "start address"]
    assert bench.steps[3:] == ["close address", "close floor"]


def test_listen_gets_configuration_and_properties(bench: Bench) -> None:
    found: list[object] = []

    def listen(config: object, properties: Mapping[str, str]) -> Closable:
        found.extend((config, properties))
        return Closable("address", bench.steps)

    bench.plugin(f"{PluginType.SERVER}.door", lambda ic: ic.listening, listen=listen)
    with bench.host():
        assert found == [None, {PROPERTY_GRPC_ADDRESS: ""}]


@pytest.mark.parametrize("broken", ["init", "requirement"])
def test_an_address_without_an_instance_is_closed_at_once(bench: Bench, broken: str) -> None:
    bench.plugin("x.store.v1.floor", fail if broken == "requirement" else None)
    bench.plugin(f"{PluginType.SERVER}.other")
    server(bench, fail, requires=("x.store.v1",))
    with bench.host():
        assert bench.steps.count("close address") == 1
    assert bench.steps.count("close address") == 1


def test_addresses_are_closed_if_the_start_fails_before_their_init(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor", fail)
    server(bench, requires=("x.store.v1",))
    with pytest.raises(PluginFailed, match="load required plugin"):
        bench.host(required_plugins=["x.store.v1.floor"]).start()
    assert bench.steps == ["listen", "close address"]


@pytest.mark.parametrize(
    ("error", "message"),
    [(AlreadyExists("the door is no socket"), "the door is no socket"), (SystemExit(3), "SystemExit: 3")],
    ids=["error", "exit"],
)
def test_a_host_whose_address_cannot_be_opened_initialises_nothing(
    bench: Bench, error: BaseException, message: str
) -> None:
    def listen(_config: object, _properties: Mapping[str, str]) -> object:
        raise error

    bench.plugin("x.store.v1.floor")
    bench.plugin(f"{PluginType.SERVER}.door", listen=listen)
    with pytest.raises(PluginFailed, match=rf"start {PluginType.SERVER}\.door: {message}"):
        bench.host().start()
    assert bench.steps == []


@pytest.mark.parametrize("engine", ["native", "grpcio"])
def test_a_call_during_plugin_init_is_answered_once_the_host_is_up(
    bench: Bench, tmp_path: Path, engine: str
) -> None:
    path = tmp_path / "s"
    calls = []

    def call(_ic: InitContext[Any]) -> object:
        channel = open_channel(path)
        check = channel.unary_unary("/grpc.health.v1.Health/Check", None, HealthCheckResponse.FromString)
        calls.append(check.future(HealthCheckRequest().SerializeToString(), timeout=SECONDS))
        wait_until(lambda: Path("/proc/net/unix").read_text().count(str(path)) >= 2, SECONDS, "a connection")
        return channel

    bench.plugin("x.store.v1.floor", call)
    bench.host()
    document = {
        "root": f"{tmp_path}/root",
        "state": f"{tmp_path}/state",
        "plugins": {f"{PluginType.SERVER}.grpc": {"address": str(path), "engine": engine}},
    }
    with Host(from_document(document), [bench.name]):
        assert calls[0].result(timeout=SECONDS).status == HealthCheckResponse.SERVING
