"""The introspection service, called without a transport."""

from __future__ import annotations

import functools
import os
import stat
import uuid

import attrs
import pytest

from lamina.api import details_from_proto
from lamina.api.messages.any_pb2 import Any
from lamina.errdefs import (
    DataLoss,
    FailedPrecondition,
    FilterSyntaxError,
    InvalidArgument,
    NotFound,
    PluginBlocked,
    SkipPlugin,
    Unimplemented,
)
from lamina.plugin import Location, Meta, Plugin, PluginSet, Status
from lamina.plugins.services.introspection.plugin import introspection_service


@attrs.frozen
class Informed:
    def plugin_info(self, options):
        return Any(type_url="answer", value=options.value)


PLUGINS = (
    Plugin(
        type="a.v1",
        id="works",
        requires=("b.v1", "c.v1"),
        meta=Meta(platforms=["linux/arm64/v8"], exports={"root": "/data"}, capabilities=["rebase"]),
        instance=Informed(),
    ),
    Plugin(type="a.v1", id="skipped", status=Status.SKIPPED, error=SkipPlugin("no btrfs here")),
    Plugin(type="b.v1", id="failed", status=Status.FAILED, error=KeyError("oops"), requires=("*",)),
    Plugin(type="c.v1", id="blocked", status=Status.BLOCKED, error=PluginBlocked("blocked by b.v1.failed")),
    Plugin(type="c.v1", id="plain", instance=object()),
)


@pytest.fixture
def plugins():
    found = PluginSet()
    for plugin in PLUGINS:
        found.add(plugin)
    return found


@pytest.fixture
def ask(plugins, tmp_path, call):
    return functools.partial(call, introspection_service(plugins.get_all, str(tmp_path / "own" / "uuid")))


def ids(response):
    return [plugin.id for plugin in response.plugins]


def test_all_plugins_are_listed_in_init_order_whatever_their_status(ask):
    assert ids(ask("Plugins")) == ["works", "skipped", "failed", "blocked", "plain"]


def test_a_plugin_is_listed_with_its_meta(ask):
    works = ask("Plugins").plugins[0]
    assert (works.type, list(works.requires), list(works.capabilities)) == ("a.v1", ["b.v1", "c.v1"], ["rebase"])
    (platform,) = works.platforms
    assert (platform.os, platform.architecture, platform.variant) == ("linux", "arm64", "v8")
    assert dict(works.exports) == {"root": "/data"}
    assert not works.HasField("init_err")


def test_requirements_are_listed_verbatim(ask):
    assert list(ask("Plugins").plugins[2].requires) == ["*"]


def test_errors_are_statuses_and_a_skip_says_skip_plugin(ask):
    errors = [(plugin.init_err.code, plugin.init_err.message) for plugin in ask("Plugins").plugins[1:4]]
    assert errors == [
        (2, "no btrfs here: skip plugin"),
        (2, "KeyError: 'oops'"),
        (9, "blocked by b.v1.failed: failed precondition"),
    ]


def test_an_error_names_file_and_line(ask, plugins):
    location = Location("/site/acme.py", 12, "init", "acme", "acme")
    plugins.add(Plugin(type="d.v1", id="bad", status=Status.FAILED, error=KeyError("oops"), location=location))
    told = ask("PluginInfo", type="d.v1", id="bad").plugin
    assert told.init_err.message == "KeyError: 'oops'"
    assert details_from_proto(told).location == location


def test_how_long_an_init_took_is_among_the_exports(ask, plugins):
    plugins.add(Plugin(type="d.v1", id="slow", seconds=1.5))
    told = ask("PluginInfo", type="d.v1", id="slow").plugin
    assert dict(told.exports) == {"io.lamina.plugin.init-milliseconds": "1500.000"}


def test_plugins_that_come_later_are_listed_too(ask, plugins):
    ask("Plugins")
    plugins.add(Plugin(type="d.v1", id="late"))
    assert ids(ask("Plugins"))[-1] == "late"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["type==a.v1"], ["works", "skipped"]),
        (["type==a.v1,id==works", "id==plain"], ["works", "plain"]),
        (["id~=b"], ["blocked"]),
        (["platforms"], []),
        (["type.x==a.v1"], []),
    ],
)
def test_plugins_are_filtered_by_type_and_id_alone(ask, filters, expected):
    assert ids(ask("Plugins", filters=filters)) == expected


def test_a_bad_filter_is_an_invalid_argument(ask):
    with pytest.raises(FilterSyntaxError) as caught:
        ask("Plugins", filters=["type=="])
    assert isinstance(caught.value, InvalidArgument)


def test_the_uuid_is_created_on_first_use_and_persists(ask, tmp_path):
    assert not (tmp_path / "own").exists()
    made = ask("Server").uuid
    assert uuid.UUID(made).version == 4
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
    assert ask("Server").uuid == made == (tmp_path / "own" / "uuid").read_text()


def test_an_empty_file_gets_a_uuid(ask, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "uuid").touch()
    assert uuid.UUID(ask("Server").uuid)


def test_a_file_without_a_uuid_is_an_error_and_stays(ask, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "uuid").write_text("lamina\n")
    with pytest.raises(DataLoss, match="contains 'lamina', which is not a UUID: remove the file"):
        ask("Server")
    assert (tmp_path / "own" / "uuid").read_text() == "lamina\n"


def test_the_server_is_this_process(ask):
    response = ask("Server")
    assert response.pid == os.getpid()
    assert os.readlink("/proc/self/ns/pid") == f"pid:[{response.pidns}]"


def test_one_plugin_without_options_is_its_record(ask):
    response = ask("PluginInfo", type="b.v1", id="failed")
    assert (response.plugin.id, response.plugin.init_err.message) == ("failed", "KeyError: 'oops'")
    assert not response.HasField("extra")


def test_an_unknown_plugin_is_not_found(ask):
    with pytest.raises(NotFound, match=r"plugin a\.v1\.plain not found"):
        ask("PluginInfo", type="a.v1", id="plain")


def test_options_are_passed_to_the_plugin_and_its_answer_returned(ask):
    response = ask("PluginInfo", type="a.v1", id="works", options=Any(value=b"data"))
    assert (response.extra.type_url, response.extra.value) == ("answer", b"data")


def test_options_for_a_plugin_that_does_not_work(ask):
    with pytest.raises(FailedPrecondition, match=r"b\.v1\.failed does not work: KeyError"):
        ask("PluginInfo", type="b.v1", id="failed", options=Any())


def test_options_for_a_plugin_without_answers(ask):
    with pytest.raises(Unimplemented, match="does not provide information"):
        ask("PluginInfo", type="c.v1", id="plain", options=Any())
