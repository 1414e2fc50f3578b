"""Proxy plugins from the configuration of a host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from lamina.config import from_document
from lamina.errdefs import (
    ConfigError,
    InvalidArgument,
    InvalidRegistration,
    NoInstance,
    PluginFailed,
    Unavailable,
)
from lamina.host import Host
from lamina.plugin import (
    Plugin,
    PluginType,
    ProxyType,
    Registration,
    Registry,
    Status,
    hookimpl,
    host_platform,
)
from lamina.plugins.services.snapshots.plugin import lamina_proxy_types
from tests.support.plugins.benches import Closable

URI = f"{PluginType.SNAPSHOTTER}.remote"


@attrs.define
class Bench:
    """Makes hosts whose only built-in plugins are proxies."""

    directory: Path
    proxies: str
    """The module that registers the type of the proxies."""

    def host(self, proxies: dict[str, dict[str, Any]], *modules: str, **settings: Any) -> Host:
        tables = {name: {"type": "snapshot", "address": "/s", **table} for name, table in proxies.items()}
        document = {
            "root": f"{self.directory}/root",
            "state": f"{self.directory}/state",
            "disabled_distributions": ["lamina"],
            "proxy_plugins": tables,
        }
        return Host(from_document({**document, **settings}), [self.proxies, *modules])

    def record(self, **table: Any) -> Plugin:
        """Return the record of a proxy plugin."""
        with self.host({"remote": table}) as host:
            return next(plugin for plugin in host.plugins if plugin.uri == URI)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, _module(monkeypatch, "proxies", lamina_proxy_types=lamina_proxy_types))


def test_a_proxy_works_as_a_plugin_before_its_server_answers(bench: Bench) -> None:
    address = f"{bench.directory}/no.sock"
    with bench.host({"remote": {"address": address}}) as host:
        snapshotter = host.get(PluginType.SNAPSHOTTER, "remote")
        with pytest.raises(Unavailable, match=r"no\.sock: No such file or directory: is its server running"):
            snapshotter.stat("k")


def test_a_proxy_reports_the_properties_of_its_table(bench: Bench) -> None:
    plugin = bench.record(
        address="unix:///run/remote.sock",
        platform="linux/arm64",
        exports={"root": "/srv", "address": "/other"},
        capabilities=["rebase"],
    )
    assert (plugin.status, plugin.requires) == (Status.OK, ())
    assert plugin.meta.platforms == ["linux/arm64"]
    assert plugin.meta.exports == {"root": "/srv", "address": "/run/remote.sock"}
    assert plugin.meta.capabilities == ["rebase"]


def test_the_platform_of_a_proxy_defaults_to_the_machine(bench: Bench) -> None:
    assert bench.record().meta.platforms == [host_platform()]


@pytest.mark.parametrize(("table", "name"), [({}, "remote"), ({"snapshotter": "native"}, "native")])
def test_the_remote_name_of_a_proxy_defaults_to_its_own(bench: Bench, table: dict[str, str], name: str) -> None:
    assert bench.record(**table).instance.name == name


def test_proxies_come_after_the_other_plugins_in_the_order_of_their_tables(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _module(monkeypatch, "more", Registration(type="x.store.v1", id="floor", init=lambda _: object()))
    with bench.host({"b": {}, "a": {}}, module) as host:
        assert [plugin.id for plugin in host.plugins] == ["floor", "b", "a"]


def test_a_proxy_can_be_disabled_and_required(bench: Bench) -> None:
    with bench.host({"remote": {}}, disabled_plugins=[URI]) as host:
        assert not len(host.plugins)
    with bench.host({"remote": {}}, required_plugins=[URI]) as host:
        assert len(host.plugins) == 1
    with pytest.raises(NoInstance, match="is disabled"):
        bench.host({"remote": {}}, required_plugins=[URI], disabled_plugins=[URI]).start()


def test_an_invalid_address_fails_only_its_plugin(bench: Bench) -> None:
    plugin = bench.record(address="tcp://localhost:1")
    assert plugin.status is Status.FAILED
    assert plugin.problem == "address 'tcp://localhost:1': expected the path of a unix socket"
    with pytest.raises(PluginFailed, match=f"load required plugin {URI}"):
        bench.host({"remote": {"address": "tcp://localhost:1"}}, required_plugins=[URI]).start()


def test_a_proxy_to_the_host_itself_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Registration(type=PluginType.SERVER, id="grpc", init=lambda _: Closable("grpc", []))
    (bench.directory / "link").symlink_to(bench.directory / "state")
    address = f"{bench.directory}/link/lamina.sock"
    with bench.host({"remote": {"address": address}}, _module(monkeypatch, "more", server)) as host:
        (plugin,) = host.plugins.of_type(PluginType.SNAPSHOTTER)
    assert isinstance(plugin.error, InvalidArgument)
    assert plugin.problem == f"address '{address}': this host itself answers there"


def test_an_embedded_host_can_proxy_a_served_one(bench: Bench) -> None:
    assert bench.record(address=f"{bench.directory}/state/lamina.sock").status is Status.OK


def test_the_name_of_an_installed_snapshotter_is_a_mistake_of_the_configuration(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Registration(type=PluginType.SNAPSHOTTER, id="remote", init=lambda _: object())
    module = _module(monkeypatch, "more", remote)
    with pytest.raises(
        ConfigError, match=r"proxy_plugins\.remote: io\.containerd\.snapshotter\.v1\.remote is an installed"
    ):
        bench.host({"remote": {}}, module).start()


def test_a_host_without_proxies_does_not_load_grpc(tmp_path: Path) -> None:
    program = """
import sys
from lamina.config import from_document
from lamina.host import Host
paths = {"root": f"{sys.argv[1]}/root", "state": f"{sys.argv[1]}/state"}
with Host(from_document({"disabled_distributions": ["lamina"], **paths})):
    assert "grpc" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True)


def test_the_table_of_a_proxy_type_is_an_error_where_its_package_is_disabled(tmp_path: Path) -> None:
    document = {"root": f"{tmp_path}/root", "state": f"{tmp_path}/state", "disabled_distributions": ["lamina"]}
    host = Host(from_document({**document, "proxy_plugins": {"far": {"type": "snapshot", "address": "/s"}}}))
    with pytest.raises(ConfigError, match=r"far\.type: expected a type of an installed package, found"):
        host.start()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"config": int}, "proxy type t: expected an attrs class with a field `type`"),
        ({"names": "x"}, "proxy type: expected a UTF-8 string and a tuple of them, found 't' and 'x'"),
        ({"init": 5}, "proxy type t: init must be a function, not 5"),
        ({"names": ("snapshot",)}, "proxy type t: there is another one named 'snapshot'"),
    ],
)
def test_a_malformed_or_second_proxy_type_is_refused(fields: dict[str, Any], message: str) -> None:
    (snapshotters,) = lamina_proxy_types()
    registry = Registry().add_proxy_type(snapshotters)
    proxy_type: ProxyType[Any] = attrs.evolve(snapshotters, **{"type": "t", "names": (), **fields})
    with pytest.raises(InvalidRegistration) as caught:
        registry.add_proxy_type(proxy_type)
    assert str(caught.value) == message


def _module(monkeypatch: pytest.MonkeyPatch, name: str, *registrations: Registration[Any], **hooks: Any) -> str:
    module = ModuleType(name)
    for hook, function in {"lamina_register": lambda: registrations, **hooks}.items():
        vars(module)[hook] = hookimpl(function)
    monkeypatch.setitem(sys.modules, name, module)
    return name
