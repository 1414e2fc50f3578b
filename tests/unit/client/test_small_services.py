"""Introspection and health."""

from lamina.api import Method, Service, encode, error_to_proto
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.api.messages.introspection_pb2 import Plugin as PluginMessage
from lamina.api.messages.introspection_pb2 import PluginsRequest, PluginsResponse, ServerResponse
from lamina.client import Client, RemotePlugin, Server
from lamina.errdefs import (
    NotFound,
    SkipPlugin,
)


def test_plugins_are_in_the_servers_order_with_their_state(serve):
    def plugins(request):
        assert list(request.filters) == ["type==a", "id==b"]
        return PluginsResponse(
            plugins=[
                PluginMessage(
                    type="io.a.v1",
                    id="works",
                    requires=["*"],
                    platforms=[{"os": "linux", "architecture": "arm64", "variant": "v8"}],
                    exports={"root": "/r"},
                    capabilities=["rebase"],
                ),
                PluginMessage(type="io.a.v1", id="skipped", init_err=error_to_proto(SkipPlugin("no btrfs"))),
                PluginMessage(type="io.a.v1", id="failed", init_err=error_to_proto(NotFound("/x"))),
            ]
        )

    service = Service(
        "containerd.services.introspection.v1.Introspection", (Method("Plugins", PluginsRequest, plugins),)
    )
    with Client(serve(service).address) as client:
        works, skipped, failed = client.plugins("type==a", "id==b")
    assert works == RemotePlugin("io.a.v1", "works", ("*",), ("linux/arm64/v8",), {"root": "/r"}, ("rebase",))
    assert works.uri == "io.a.v1.works"
    assert [plugin.status for plugin in (works, skipped, failed)] == ["ok", "skipped", "failed"]
    assert type(failed.init_error) is NotFound
    assert str(failed.init_error) == "/x"


def test_a_server_reports_its_identity(serve):
    method = Method("Server", Empty, lambda _: encode(ServerResponse, uuid="u", pid=7, pidns=8))
    service = Service("containerd.services.introspection.v1.Introspection", (method,))
    with Client(serve(service).address) as client:
        assert client.server() == Server(uuid="u", pid=7, pidns=8)


def test_health_is_that_of_the_server(serve):
    statuses = iter(["SERVING", "NOT_SERVING"])
    method = Method("Check", HealthCheckRequest, lambda _: HealthCheckResponse(status=next(statuses)))
    with Client(serve(Service("grpc.health.v1.Health", (method,))).address) as client:
        assert client.healthy()
        assert not client.healthy()
