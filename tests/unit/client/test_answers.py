"""Errors, sizes and malformed answers."""

import pytest

from lamina.api import Method, Service
from lamina.api.messages.introspection_pb2 import Plugin as PluginMessage
from lamina.api.messages.introspection_pb2 import PluginsRequest, PluginsResponse
from lamina.api.messages.version_pb2 import VersionResponse
from lamina.client import Client
from lamina.errdefs import (
    Canceled,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
    Unimplemented,
)
from tests.support.listener.version_service import answer, version_service


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
