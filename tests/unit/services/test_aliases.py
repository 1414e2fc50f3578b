"""Aliases of snapshotters: configuration, exports and reloads."""

from __future__ import annotations

import functools

import pytest

from lamina.api.messages.snapshots_pb2 import ListSnapshotsResponse
from lamina.errdefs import InvalidArgument
from lamina.plugin import PluginType, Status
from lamina.plugins.services.snapshots import plugin as snapshots_plugin
from tests.support.listener.service_plugins import snapshots_of, start_plugins


@pytest.fixture
def start(tmp_path, overlay):
    """`start(…)` is `start_plugins` with this test's directory and snapshotter."""
    return functools.partial(start_plugins, tmp_path, overlay)


def test_an_invalid_alias_fails_only_its_service(start):
    aliases = snapshots_plugin.SnapshotsConfig(aliases={"btrfs": "overlayfs"})
    plugins = start({"io.containerd.grpc.v1.snapshots": aliases})
    statuses = {plugin.uri: (plugin.status, plugin.problem) for plugin in plugins}
    assert statuses["io.containerd.grpc.v1.snapshots"] == (
        Status.FAILED,
        "aliases: btrfs = 'overlayfs': btrfs is the id of another snapshotter",
    )
    assert statuses["io.containerd.server.v1.grpc"][0] is Status.OK


def test_a_reload_changes_aliases_and_exports(start, call):
    service, record = snapshots_of(start())
    call(service.service, "Prepare", snapshotter="lamina", key="key")
    service.reconfigure(snapshots_plugin.SnapshotsConfig(aliases={"other": "overlayfs"}))
    assert record.meta.exports == {
        "snapshotter": "other",
        "names.overlayfs": '["other", "lamina-overlayfs"]',
    }
    assert call(service.service, "List", snapshotter="other") == []
    with pytest.raises(InvalidArgument, match="snapshotter not loaded: lamina "):
        call(service.service, "Stat", snapshotter="lamina", key="key")


def test_snapshots_of_a_removed_alias_reappear_with_it(start, call):
    service, _ = snapshots_of(start())
    call(service.service, "Prepare", snapshotter="lamina", key="key")
    for aliases in ({}, {"lamina": "overlayfs"}):
        service.reconfigure(snapshots_plugin.SnapshotsConfig(aliases=aliases))
    assert call(service.service, "Stat", snapshotter="lamina", key="key").info.name == "key"


def test_a_running_call_keeps_its_snapshotter(start, call):
    service, _ = snapshots_of(start())
    for number in range(101):  # more than one message
        call(service.service, "Prepare", snapshotter="lamina", key=f"{number:03}")
    (method,) = [method for method in service.service.methods if method.name == "List"]
    answers = method.handler(method.request(snapshotter="lamina"))
    first = next(answers)
    service.reconfigure(snapshots_plugin.SnapshotsConfig(aliases={}))
    messages = [ListSnapshotsResponse.FromString(answer) for answer in (first, *answers)]
    assert [len(message.info) for message in messages] == [100, 1]


def test_refused_aliases_change_nothing(start):
    service, record = snapshots_of(start())
    with pytest.raises(InvalidArgument, match="btrfs is the id of another snapshotter"):
        service.reconfigure(snapshots_plugin.SnapshotsConfig(aliases={"x": "overlayfs", "btrfs": "overlayfs"}))
    assert record.meta.exports["snapshotter"] == "lamina"
    assert service._names.find("lamina")
    with pytest.raises(InvalidArgument, match="snapshotter not loaded: x "):
        service._names.find("x")


def test_the_default_alias_gives_way_to_a_snapshotter_of_its_name_at_a_reload_too(start, plain):
    service, _ = snapshots_of(start(others={"lamina": lambda _ic: plain}))
    service.reconfigure(snapshots_plugin.SnapshotsConfig())
    assert service._names.find("lamina") is plain


def test_the_name_of_a_snapshotter_precedes_the_default_alias(start, plain):
    plugins = start(others={"lamina": lambda _ic: plain})
    service = plugins.get_by_id(PluginType.GRPC, "snapshots")
    assert service._names.find("lamina") is plain


def test_a_configured_alias_collides_with_a_snapshotter_of_its_name(start, plain):
    aliases = snapshots_plugin.SnapshotsConfig(aliases={"lamina": "overlayfs", "b": "overlayfs"})
    plugins = start({"io.containerd.grpc.v1.snapshots": aliases}, others={"lamina": lambda _ic: plain})
    statuses = {plugin.uri: plugin.status for plugin in plugins}
    assert statuses["io.containerd.grpc.v1.snapshots"] is Status.FAILED
