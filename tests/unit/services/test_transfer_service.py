"""The transfer service's methods, called with and without a transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from lamina.api import Service
from lamina.api.messages.transfer_pb2 import ImportRequest, ImportResponse
from lamina.context import CallContext, use
from lamina.errdefs import InvalidArgument, NotFound
from lamina.plugins.transfer.plugin import transfer_service
from tests.support.images.transfers import DIGEST, IMAGE, UNPACKED, RecordedTransfer
from tests.support.listener.engines import open_channel

SECONDS = 60

Call = Callable[..., Any]


@pytest.fixture
def transfer() -> RecordedTransfer:
    return RecordedTransfer()


@pytest.fixture
def service(transfer: RecordedTransfer) -> Service:
    return transfer_service(lambda: transfer)


def test_the_last_message_of_an_import_has_the_images(service: Service, call: Call) -> None:
    *progress, last = call(service, "Import", path="/a.tar")
    assert [(one.digest, one.what, one.done, one.total) for one in progress[0].progress] == [
        (DIGEST, "unpack", 1, 7)
    ]
    assert [image.name for image in last.images] == [IMAGE.name]
    assert [one.snapshotter for one in last.unpacked] == [UNPACKED.snapshotter]


def test_the_last_message_of_an_unpack_has_the_snapshot(service: Service, call: Call) -> None:
    *_, last = call(service, "Unpack", name="debian")
    assert (last.unpacked.image, last.unpacked.chain_id) == (UNPACKED.image, UNPACKED.chain_id)


def test_the_last_message_of_a_commit_has_the_image(service: Service, call: Call) -> None:
    *_, last = call(service, "Commit", snapshot="work", name="mine")
    assert last.image.name == IMAGE.name
    assert call(service, "Edit", name="mine").image.name == IMAGE.name


def test_the_last_message_of_an_export_has_the_images(service: Service, call: Call) -> None:
    *_, last = call(service, "Export", path="/a.tar", names=["mine"])
    assert ([image.name for image in last.images], last.size) == ([IMAGE.name], 7)


def test_malformed_changes_are_refused(service: Service, call: Call) -> None:
    for changes in ({"env": ["=x"]}, {"volumes": ["data"]}, {"stop_signal": "term"}, {"exposed_ports": ["http"]}):
        with pytest.raises(InvalidArgument, match="expected"):
            call(service, "Edit", name="mine", changes=changes)


def test_work_is_done_in_the_namespace_of_the_call(
    service: Service, transfer: RecordedTransfer, call: Call
) -> None:
    with use(CallContext(namespace="k8s.io")):
        call(service, "Import", path="/a.tar", names=["b"], all_platforms=True, no_unpack=True)
        call(service, "Unpack", name="debian", platform="linux/arm64", snapshotter="native")
    assert transfer.asked == [
        ("k8s.io", "/a.tar", ("b",), "", True, False, ""),
        ("k8s.io", "debian", "linux/arm64", "native"),
    ]


def test_errors_of_the_work_end_the_stream(service: Service, call: Call) -> None:
    with pytest.raises(NotFound, match="no image 'missing'"):
        call(service, "Unpack", name="missing")


def test_work_stops_when_its_client_goes(service: Service, transfer: RecordedTransfer, serve: Call) -> None:
    served = serve(*service.methods)
    request = ImportRequest(path="endless").SerializeToString()
    with open_channel(served.listener._path) as channel:
        responses = channel.unary_stream("/test.Test/Import")(request, timeout=SECONDS)
        assert ImportResponse.FromString(next(responses)).progress[0].done == 1
    assert transfer.ended.wait(SECONDS)


def test_work_stops_with_the_host(service: Service, transfer: RecordedTransfer, serve: Call) -> None:
    served = serve(*service.methods, grace=0)
    request = ImportRequest(path="endless").SerializeToString()
    with open_channel(served.listener._path) as channel:
        responses = channel.unary_stream("/test.Test/Import")(request, timeout=SECONDS)
        next(responses)
        served.listener.close()
        with pytest.raises(grpc.RpcError):
            list(responses)
    assert transfer.ended.is_set()
