"""Records of plugins on the wire and back."""

from __future__ import annotations

import pytest

from lamina.api import PluginDetails, details_from_proto, exports_from_proto, plugin_to_proto
from lamina.api.messages.any_pb2 import Any
from lamina.api.messages.error_details_pb2 import ErrorInfo
from lamina.api.messages.introspection_pb2 import Plugin as PluginMessage
from lamina.api.messages.status_pb2 import Status as StatusMessage
from lamina.errdefs import SkipPlugin
from lamina.plugin import Location, Meta, Plugin, Status

LOCATION = Location("/site/acme.py", 12, "init", "acme", "acme")
FAILED = Plugin(
    type="a",
    id="x",
    distribution="acme",
    status=Status.FAILED,
    error=OSError("no"),
    seconds=0.0015,
    location=LOCATION,
)


@pytest.mark.parametrize(
    ("plugin", "details"),
    [
        (Plugin(type="a", id="x", distribution="acme", seconds=0.25), PluginDetails("acme", 250.0)),
        (FAILED, PluginDetails("acme", 1.5, outcome="failed", location=LOCATION)),
        (
            Plugin(type="b", id="x", status=Status.BLOCKED, error=OSError(), blocked_by=FAILED),
            PluginDetails(outcome="blocked", blocked_by="a.x"),
        ),
        (
            Plugin(type="b", id="x", status=Status.FAILED, error=OSError(), retrying=True),
            PluginDetails(outcome="failed", retrying=True),
        ),
        (
            Plugin(type="a", id="x", status=Status.SKIPPED, error=SkipPlugin("no btrfs")),
            PluginDetails(outcome="skipped"),
        ),
    ],
)
def test_lamina_specific_fields_survive_the_wire(plugin: Plugin, details: PluginDetails) -> None:
    message = PluginMessage.FromString(plugin_to_proto(plugin).SerializeToString())
    assert details_from_proto(message) == details


def test_exports_of_lamina_are_separate_from_the_plugins_own() -> None:
    plugin = Plugin(type="a", id="x", distribution="acme", seconds=0.25, meta=Meta(exports={"root": "/r"}))
    message = plugin_to_proto(plugin)
    assert dict(message.exports) == {
        "root": "/r",
        "io.lamina.plugin.distribution": "acme",
        "io.lamina.plugin.init-milliseconds": "250.000",
    }
    assert exports_from_proto(message) == {"root": "/r"}


def test_an_error_has_containerds_status_and_one_detail() -> None:
    status = plugin_to_proto(FAILED).init_err
    assert (status.code, status.message) == (2, "OSError: no")
    (detail,) = status.details
    assert detail.type_url == "type.googleapis.com/google.rpc.ErrorInfo"
    info = ErrorInfo()
    assert detail.Unpack(info)
    assert (info.reason, info.domain) == ("FAILED", "io.lamina.plugin")


def test_a_path_that_is_not_unicode_does_not_hide_the_others() -> None:
    plugin = Plugin(
        type="a", id="x", status=Status.FAILED, error=OSError(), location=Location("/\udcff.py", 1, "init")
    )
    location = details_from_proto(plugin_to_proto(plugin)).location
    assert location == Location("/\\udcff.py", 1, "init")


@pytest.mark.parametrize(
    "message",
    [
        PluginMessage(type="a", id="x"),
        PluginMessage(type="a", id="x", init_err=StatusMessage(code=2, message="no")),
        PluginMessage(type="a", init_err=StatusMessage(details=[Any(type_url="x/y", value=b"\xff")])),
        PluginMessage(type="a", exports={"io.lamina.plugin.init-milliseconds": "soon"}),
    ],
)
def test_a_server_that_is_not_lamina_has_no_details(message: PluginMessage) -> None:
    assert details_from_proto(message) == PluginDetails()


def test_foreign_details_are_not_parsed_as_laminas() -> None:
    detail = Any()
    detail.Pack(ErrorInfo(reason="FAILED", domain="example.com"))
    assert details_from_proto(PluginMessage(init_err=StatusMessage(details=[detail]))) == PluginDetails()
