"""Connections, call contexts, errors and the small services."""

import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from lamina.api import Method, Service, encode, error_to_proto
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.api.messages.introspection_pb2 import Plugin as PluginMessage
from lamina.api.messages.introspection_pb2 import PluginsRequest, PluginsResponse, ServerResponse
from lamina.api.messages.version_pb2 import VersionResponse
from lamina.client import Client, RemotePlugin, Server, Version
from lamina.context import CallContext, current, use
from lamina.errdefs import (
    Canceled,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    SkipPlugin,
    Unavailable,
    Unimplemented,
)

VERSION = "containerd.services.version.v1.Version"


def version_service(handler):
    return Service(VERSION, (Method("Version", Empty, handler),))


def answer(_):
    return VersionResponse(version="1.2.3", revision="abc")


@pytest.mark.parametrize("scheme", ["", "unix://"])
def test_an_address_is_a_path_or_a_unix_url(serve, scheme):
    served = serve(version_service(answer))
    with Client(scheme + served.address) as client:
        assert client.version() == Version("1.2.3", "abc")


def test_a_relative_path_is_an_address(serve, tmp_path, monkeypatch):
    serve(version_service(answer))
    monkeypatch.chdir(tmp_path)
    with Client("lamina.sock") as client:
        assert client.version().version == "1.2.3"


@pytest.mark.parametrize("name", ["%41 b", "é", "a?b#c", "a:b"])
def test_a_path_is_used_verbatim(serve, tmp_path, name):
    served = serve(version_service(answer))
    os.rename(served.address, tmp_path / name)
    with Client(str(tmp_path / name)) as client:
        assert client.version().version == "1.2.3"


@pytest.mark.parametrize(
    "address", ["", "unix://", "tcp://localhost:1", "/run/" + "x" * 110, "/run/\0", "/run/a,b"]
)
def test_an_address_that_is_not_a_socket_path_is_refused(address):
    with pytest.raises(InvalidArgument, match="address"):
        Client(address)


def test_a_missing_socket_is_unavailable_with_the_path_and_the_remedy(tmp_path):
    with Client(f"{tmp_path}/no.sock") as client, pytest.raises(Unavailable) as caught:
        client.version()
    assert str(caught.value) == f"{tmp_path}/no.sock: No such file or directory: is `lamina serve` running?"


def test_a_socket_without_a_listener_is_unavailable(tmp_path):
    path = f"{tmp_path}/stale.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with Client(path) as client, pytest.raises(Unavailable, match="Connection refused: is `lamina serve` running"):
        client.version()


REFUSED = """
import os, sys
from lamina.client import Client
snapshotter = Client(sys.argv[1], brief=sys.argv[2] == "True").snapshotter("x")
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
snapshotter.stat("key")
"""


def test_a_socket_that_may_not_be_used_is_permission_denied(serve, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    path = closed / "lamina.sock"
    serve(version_service(answer), path=path)
    closed.chmod(0)
    command = [sys.executable, "-c", REFUSED, str(path), str(Client.keywords["brief"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    closed.chmod(0o700)
    assert f"PermissionDenied: {path}: may not connect" in done.stderr


def test_a_client_outlives_a_restart_of_the_server(serve):
    """Calls fail while it is down, and work again soon after it is back."""
    served = serve(version_service(answer))
    with Client(served.address) as client:
        client.version()
        served.stop()
        with pytest.raises(Unavailable):
            client.version()
        serve(version_service(answer))
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                client.version()
                break
            except Unavailable:
                continue
        assert client.version().version == "1.2.3"


def test_a_server_that_dies_during_a_call_is_unavailable(serve):
    arrived = threading.Event()
    stop = threading.Event()

    def handler(_):
        arrived.set()
        stop.wait(10)
        return VersionResponse()

    served = serve(version_service(handler))

    def kill():
        arrived.wait(10)
        served.server.stop(grace=0)

    killer = threading.Thread(target=kill)
    killer.start()
    with Client(served.address) as client, pytest.raises((Unavailable, Canceled)):
        client.version()
    stop.set()
    killer.join()


def test_the_timeout_bounds_a_call(serve):
    stop = threading.Event()

    def handler(_):
        stop.wait(10)
        return VersionResponse()

    served = serve(version_service(handler))
    with (
        Client(served.address, timeout=0.2) as client,
        pytest.raises(DeadlineExceeded, match=r"Version/Version was not"),
    ):
        client.version()
    stop.set()


def test_the_earlier_of_timeout_and_the_contexts_deadline_is_sent(serve):
    served = serve(version_service(answer))
    with Client(served.address, timeout=1000) as client:
        with use(CallContext(deadline=time.monotonic() + 100)):
            client.version()
        with use(CallContext(deadline=time.monotonic() + 5000)):
            client.version()
    with Client(served.address) as client:
        client.version()
    first, second, third = (context.deadline for context in served.contexts)
    assert first < time.monotonic() + 110  # gRPC rounds up what it sends
    assert time.monotonic() + 110 < second < time.monotonic() + 1100
    assert third is None


def test_a_cancelled_context_makes_no_call(serve):
    served = serve(version_service(answer))
    with Client(served.address) as client:
        with use(CallContext(deadline=time.monotonic() - 1)), pytest.raises(DeadlineExceeded):
            client.version()
        with use(CallContext(cancelled=True)), pytest.raises(Canceled):
            client.version()
    assert served.contexts == []


def test_cancelling_the_context_ends_a_call_on_both_sides(serve):
    arrived = threading.Event()
    ended = threading.Event()

    def handler(_):
        context = current()
        arrived.set()
        while not context.cancelled:
            ended.wait(0.01)
        ended.set()
        return VersionResponse()

    served = serve(version_service(handler))
    context = CallContext()

    def cancel():
        arrived.wait(10)
        context.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with Client(served.address, timeout=20) as client, use(context), pytest.raises(Canceled):
        client.version()
    canceller.join()
    assert ended.wait(10)


def test_the_contexts_namespace_and_lease_are_sent(serve):
    served = serve(version_service(answer))
    with Client(served.address, namespace="mine") as client:
        client.version()
        with use(CallContext(namespace="k8s.io", lease="l1")):
            client.version()
    with Client(served.address) as client:
        client.version()
    assert [(c.namespace, c.lease) for c in served.contexts] == [("mine", ""), ("k8s.io", "l1"), ("", "")]


@pytest.mark.parametrize("sampled", [True, False])
def test_the_contexts_trace_is_sent(serve, sampled):
    served = serve(version_service(answer))
    trace_id = "0123456789abcdef" * 2
    with Client(served.address) as client, use(CallContext(trace_id=trace_id, sampled=sampled)):
        client.version()
    assert [(c.trace_id, c.sampled) for c in served.contexts] == [(trace_id, sampled)]


@pytest.mark.parametrize("trace_id", ["", "mine", "0" * 32])
def test_a_malformed_trace_id_is_not_sent(serve, trace_id):
    served = serve(version_service(answer))
    with Client(served.address) as client, use(CallContext(trace_id=trace_id)):
        client.version()
    (context,) = served.contexts
    assert re.fullmatch("[0-9a-f]{32}", context.trace_id)
    assert context.trace_id != trace_id


@pytest.mark.parametrize("namespace", ["é", "a\nb"])
def test_a_namespace_invalid_in_a_header_is_refused(tmp_path, namespace):
    with (
        Client(f"{tmp_path}/no.sock", namespace=namespace) as client,
        pytest.raises(InvalidArgument, match="namespace"),
    ):
        client.version()


def fail(error):
    def handler(_):
        raise error

    return handler


@pytest.mark.parametrize(
    "error", [NotFound("snapshot x"), FailedPrecondition(""), Unavailable("stopping"), Canceled("c")]
)
def test_an_error_of_the_server_comes_back_as_its_class(serve, error):
    served = serve(version_service(fail(error)))
    with Client(served.address) as client, pytest.raises(type(error)) as caught:
        client.version()
    assert str(caught.value) == str(error)


def test_an_error_that_names_a_long_key_arrives(serve):
    served = serve(version_service(fail(NotFound("k" * 32_768))))
    with Client(served.address) as client, pytest.raises(NotFound) as caught:
        client.version()
    assert str(caught.value) == "k" * 32_768


def test_a_missing_service_is_unimplemented_with_a_hint(serve):
    served = serve(version_service(answer))
    with Client(served.address) as client, pytest.raises(Unimplemented) as caught:
        client.healthy()
    assert str(caught.value) == (
        f"{served.address}: nothing serves /grpc.health.v1.Health/Check: `lamina plugins ls -d` says why"
    )


def test_messages_up_to_16_mib_pass_and_larger_ones_are_refused(serve):
    sizes = iter([(16 << 20) - 100, (16 << 20) + 1])
    served = serve(version_service(lambda _: VersionResponse(version="v" * next(sizes))))
    with Client(served.address) as client:
        assert len(client.version().version) == (16 << 20) - 100
        with pytest.raises(ResourceExhausted):
            client.version()


def test_a_large_request_passes(serve):
    def count(request):
        return PluginsResponse(plugins=[PluginMessage(id=str(len(request.filters[0])))])

    method = Method("Plugins", PluginsRequest, count)
    with Client(serve(Service("containerd.services.introspection.v1.Introspection", (method,))).address) as client:
        for _ in range(3):
            (plugin,) = client.plugins("x" * 3_000_000)
            assert plugin.id == "3000000"


def test_a_malformed_answer_is_reported_with_its_type(serve):
    class Damaged:
        def SerializeToString(self):  # noqa: N802 - protobuf's name
            return b"\x0a\x05x"

    served = serve(version_service(lambda _: Damaged()))
    with Client(served.address) as client, pytest.raises(InvalidArgument, match="malformed VersionResponse"):
        client.version()


def test_a_closed_client_makes_no_call(serve):
    served = serve(version_service(answer))
    client = Client(served.address)
    client.version()
    client.close()
    client.close()
    with pytest.raises(FailedPrecondition, match="the client is closed"):
        client.version()


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
    assert [plugin.status for plugin in (works, skipped, failed)] == ["ok", "skip", "error"]
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
