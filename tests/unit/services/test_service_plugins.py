"""All service plugins, initialised and served as by a host, used through `lamina.client`."""

from __future__ import annotations

import contextlib
import functools
import os
import threading

import attrs
import pytest

from lamina.api import Service, names_from_exports
from lamina.client import Client
from lamina.config import load
from lamina.errdefs import ConfigError, InvalidArgument, NotFound
from lamina.plugin import (
    Plugin,
    PluginType,
    Registration,
)
from lamina.plugins.servers.grpc import plugin as listener_plugin
from lamina.plugins.services.snapshots import plugin as snapshots_plugin
from lamina.plugins.services.version._service import VersionService
from tests.support.listener.engines import SECONDS, open_channel
from tests.support.listener.service_plugins import skip, snapshots_of, start_plugins


@pytest.fixture
def served(start, tmp_path):
    """A client, and the plugins that answer it."""
    plugins = start()
    listener = plugins.get_by_id(PluginType.SERVER, "grpc")
    listener._grace = SECONDS  # for a loaded machine
    listener.start()
    with contextlib.closing(listener), Client(str(tmp_path / "x.sock"), timeout=120) as client:
        yield client, plugins


@pytest.fixture
def start(tmp_path, overlay):
    """`start(…)` is `start_plugins` with this test's directory and snapshotter."""
    return functools.partial(start_plugins, tmp_path, overlay)


def test_snapshots_are_created_through_the_socket(served):
    client, _plugins = served
    snapshotter = client.snapshotter("lamina")
    (mount,) = snapshotter.prepare("key", labels={"a": "b"})
    assert os.path.isdir(mount.source)
    snapshotter.commit("layer", "key")
    assert [info.name for info in snapshotter.walk()] == ["layer"]
    assert list(client.snapshotter("overlayfs").walk()) == []
    with pytest.raises(NotFound):
        snapshotter.stat("key")
    with pytest.raises(InvalidArgument, match="btrfs: skipped: no btrfs here"):
        client.snapshotter("btrfs").stat("key")


def test_every_plugin_is_listed_the_listener_itself_too(served):
    client, plugins = served
    assert [plugin.uri for plugin in client.plugins()] == [plugin.uri for plugin in plugins]
    statuses = {plugin.uri: plugin.status for plugin in client.plugins()}
    assert statuses["io.containerd.server.v1.grpc"] == "ok"
    assert statuses["io.containerd.snapshotter.v1.btrfs"] == "skipped"


def test_the_host_serves_version_uuid_and_health(served, tmp_path):
    client, _plugins = served
    assert client.version().version
    file = tmp_path / "root" / "io.containerd.grpc.v1.introspection" / "uuid"
    assert client.server().uuid == file.read_text()
    assert client.healthy()


def test_watchers_are_notified_of_the_stop_and_do_not_delay_it(served):
    client, plugins = served
    health = plugins.get_by_id(PluginType.GRPC, "healthcheck")
    listener = plugins.get_by_id(PluginType.SERVER, "grpc")
    with open_channel(client._connection.path) as channel:
        statuses = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=SECONDS)
        assert next(statuses) == b"\x08\x01"  # SERVING
        closing = threading.Thread(target=listener.close)
        closing.start()
        assert list(statuses) == [b"\x08\x02"]  # NOT_SERVING
        closing.join(SECONDS)
    assert health._stopping


def test_the_snapshots_service_exports_a_name_that_works(start):
    plugins = start()
    exports = {plugin.uri: plugin.meta.exports for plugin in plugins}
    assert exports["io.containerd.grpc.v1.snapshots"]["snapshotter"] == "lamina"


def test_clients_see_the_names_of_each_working_snapshotter(served):
    client, _plugins = served
    (snapshots,) = client.plugins("type==io.containerd.grpc.v1,id==snapshots")
    assert names_from_exports(snapshots.exports) == {"overlayfs": ["lamina", "lamina-overlayfs"]}


def test_without_any_snapshotter_the_host_still_answers(start, tmp_path):
    plugins = start(snapshotter=skip)
    listener = plugins.get_by_id(PluginType.SERVER, "grpc")
    listener.start()
    with contextlib.closing(listener), Client(str(tmp_path / "x.sock"), timeout=120) as client:
        blocked = {plugin.id for plugin in client.plugins() if plugin.status == "blocked"}
    assert blocked == {"snapshots-service", "snapshots"}


@pytest.mark.parametrize("service", [None, Service("x.X", None), Service("x.X", ("method",))])
def test_an_invalid_service_is_reported_and_the_others_are_served(start, tmp_path, caplog, service):
    class Broken:
        pass

    Broken.service = service
    broken = Registration(type=PluginType.GRPC, id="broken", init=lambda _ic: Broken())
    listener = start(registrations=(broken,)).get_by_id(PluginType.SERVER, "grpc")
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.id == "broken"
    listener.start()
    with contextlib.closing(listener), Client(str(tmp_path / "x.sock"), timeout=120) as client:
        assert client.healthy()


def test_a_configured_address_overrides_the_host_s(start, tmp_path):
    config = listener_plugin.ListenerConfig(address=str(tmp_path / "other.sock"))
    listener = start({"io.containerd.server.v1.grpc": config}).get_by_id(PluginType.SERVER, "grpc")
    listener.start()
    with contextlib.closing(listener), Client(str(tmp_path / "other.sock"), timeout=120) as client:
        assert client.healthy()


BOUNDS = {
    "uid": (-1, 2**32 - 2),
    "gid": (-1, 2**32 - 2),
    "max_recv_message_size": (0, 2**31 - 1),
    "max_send_message_size": (0, 2**31 - 1),
    "quick_workers": (1, 1024),
    "slow_workers": (1, 1024),
}


@pytest.mark.parametrize(("name", "low", "high"), [(name, *bounds) for name, bounds in BOUNDS.items()])
def test_numbers_of_the_listener_out_of_bounds_are_reported_with_file_line_and_key(tmp_path, name, low, high):
    uri = "io.containerd.server.v1.grpc"
    schemas = {uri: listener_plugin.ListenerConfig}
    file = tmp_path / "config.toml"

    def decode(number):
        file.write_text(f'version = 4\n[plugins."{uri}"]\n{name} = {number}\n')
        return load(file).decode_plugins(schemas)[0][uri]

    assert [getattr(decode(number), name) for number in (low, high)] == [low, high]
    for number in (low - 1, high + 1):
        with pytest.raises(ConfigError) as caught:
            decode(number)
        assert str(caught.value) == (
            f'{file}:3: plugins."{uri}".{name}: expected a number from {low} to {high}, found {number}'
        )


def test_the_listener_works_with_its_largest_numbers(start, tmp_path):
    largest = {name: high for name, (_, high) in BOUNDS.items() if name not in {"uid", "gid"}}
    config = listener_plugin.ListenerConfig(**largest)
    listener = start({"io.containerd.server.v1.grpc": config}).get_by_id(PluginType.SERVER, "grpc")
    listener.start()
    with contextlib.closing(listener), Client(str(tmp_path / "x.sock"), timeout=120) as client:
        assert client.healthy()


@pytest.mark.parametrize("engine", ["native", "grpcio"])
def test_a_service_that_comes_up_after_the_listener_is_served_or_reported(start, tmp_path, caplog, engine):
    plugins = start({"io.containerd.server.v1.grpc": listener_plugin.ListenerConfig(engine=engine)})
    listener = plugins.get_by_id(PluginType.SERVER, "grpc")
    listener.start()
    service = VersionService()
    service.service = attrs.evolve(service.service, name="test.Late")
    plugins.add(late := Plugin(type=PluginType.GRPC, id="late", instance=service))
    with contextlib.closing(listener), open_channel(f"{tmp_path}/x.sock") as channel:
        listener_plugin.lamina_initialised(late, plugins)
        if engine == "grpcio":
            assert channel.unary_unary("/test.Late/Version")(b"", timeout=SECONDS)
        else:
            assert [record.getMessage() for record in caplog.records] == ["not served"]


def test_a_snapshotter_that_comes_up_after_the_service_is_exported(start, plain):
    plugins = start()
    plugins.add(late := Plugin(type=PluginType.SNAPSHOTTER, id="late", instance=plain))
    snapshots_plugin.lamina_initialised(late, plugins)
    _, record = snapshots_of(plugins)
    assert names_from_exports(record.meta.exports)["late"] == ["late"]
