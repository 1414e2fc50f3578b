"""The version and health services, called without a transport."""

from __future__ import annotations

import errno
import importlib.metadata
import threading

import pytest

from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.context import CallContext, use
from lamina.errdefs import Canceled, NotFound
from lamina.plugin import Plugin, Status
from lamina.plugins.services.health import _service as service_module
from lamina.plugins.services.health._service import HealthService
from lamina.plugins.services.version._service import VersionService

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


def watch(health, service=""):
    method = next(method for method in health.service.methods if method.name == "Watch")
    return (response.status for response in method.handler(HealthCheckRequest(service=service)))


def test_the_version_is_that_of_the_installed_distribution(call):
    assert call(VersionService().service, "Version").version == importlib.metadata.version("lamina")


@pytest.mark.parametrize(
    ("origin", "revision"),
    [
        ('{"url": "https://example.com/x.git", "vcs_info": {"vcs": "git", "commit_id": "0123abc"}}', "0123abc"),
        ('{"url": "file:///src", "dir_info": {}}', ""),
        (None, ""),
    ],
)
def test_the_revision_is_the_installed_commit_if_known(tmp_path, monkeypatch, call, origin, revision):
    directory = tmp_path / "example-7.dist-info"
    directory.mkdir()
    (directory / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 7\n")
    if origin:
        (directory / "direct_url.json").write_text(origin)
    monkeypatch.syspath_prepend(tmp_path)
    response = call(VersionService("example").service, "Version")
    assert (response.version, response.revision) == ("7", revision)


def test_the_host_as_a_whole_is_serving(call):
    service = HealthService().service
    assert call(service, "Check").status == SERVING
    assert {name: status.status for name, status in call(service, "List").statuses.items()} == {"": SERVING}


def test_all_services_share_one_status(call):
    with pytest.raises(NotFound, match="unknown service"):
        call(HealthService().service, "Check", service="containerd.services.snapshots.v1.Snapshots")


def test_after_shutdown_the_host_is_not_serving(call):
    health = HealthService()
    health.shutdown()
    assert call(health.service, "Check").status == NOT_SERVING
    assert list(watch(health)) == [NOT_SERVING]


def test_watchers_get_the_status_and_its_change_and_then_the_stream_ends():
    health = HealthService()
    statuses = watch(health)
    assert next(statuses) == SERVING
    threading.Timer(0.05, health.shutdown).start()
    assert list(statuses) == [NOT_SERVING]


class Plugged:
    """A plugin's instance that has an outage, or none."""

    def __init__(self) -> None:
        self.reason = ""

    def outage(self) -> str:
        if self.reason == "raises":
            raise OSError(errno.EIO, "Input/output error")
        if self.reason == "exits":
            raise SystemExit
        return self.reason


@pytest.mark.parametrize("reason", ["the disk is gone", "raises", "exits"])
def test_the_host_is_not_serving_while_a_plugin_has_an_outage(call, caplog, reason):
    instance = Plugged()
    records = [Plugin(type="t", id="a", instance=instance), Plugin(type="t", id="b", instance=object())]
    service = HealthService(lambda: records).service
    found = []
    for instance.reason in ("", reason, reason, ""):
        found.append(call(service, "Check").status)
    assert found == [SERVING, NOT_SERVING, NOT_SERVING, SERVING]
    assert [record.getMessage() for record in caplog.records] == ["health has changed"] * 2


def test_an_outage_of_an_uninitialised_plugin_does_not_count(call):
    instance = Plugged()
    instance.reason = "never opened"
    record = Plugin(type="t", id="a", instance=instance, status=Status.FAILED)
    assert call(HealthService(lambda: [record]).service, "Check").status == SERVING


def test_watchers_are_notified_of_an_outage_and_its_end(monkeypatch):
    monkeypatch.setattr(service_module, "POLL_SECONDS", 0.01)
    instance = Plugged()
    health = HealthService(lambda: [Plugin(type="t", id="a", instance=instance)])
    statuses = watch(health)
    found = [next(statuses)]
    for instance.reason in ("the disk is gone", ""):
        found.append(next(statuses))
    health.shutdown()
    assert [*found, *statuses] == [SERVING, NOT_SERVING, SERVING, NOT_SERVING]


def test_a_watch_of_an_unknown_service_ends_at_a_shutdown():
    health = HealthService()
    statuses = watch(health, "other")
    assert next(statuses) == HealthCheckResponse.SERVICE_UNKNOWN
    health.shutdown()
    assert list(statuses) == []


def test_a_watch_ends_when_the_client_disconnects():
    context = CallContext()
    with use(context):
        statuses = watch(HealthService())
        next(statuses)
        context.cancel()
        with pytest.raises(Canceled):
            next(statuses)
