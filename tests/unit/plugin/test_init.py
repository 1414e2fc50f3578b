"""`initialise` records every outcome of an init."""

from __future__ import annotations

import gc
import sys
import traceback
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.errdefs import (
    NoInstance,
    PluginBlocked,
    PluginFailed,
)
from lamina.plugin import (
    PROPERTY_GRPC_ADDRESS,
    PROPERTY_ROOT_DIR,
    PROPERTY_STATE_DIR,
    InitContext,
    Meta,
    PluginType,
    Registration,
    Status,
)
from tests.support.plugins.initialising import Host, Init, fails, skips, works


@attrs.frozen
class Lamp:
    level: int = 0


@pytest.fixture
def host() -> Host:
    return Host()


def test_a_working_plugin_is_recorded_with_its_instance(host: Host) -> None:
    plugin = host.run("t.one", works)
    assert (plugin.uri, plugin.status, plugin.instance, plugin.error) == ("t.one", Status.OK, "instance", None)
    assert (plugin.distribution, plugin.requires, plugin.problem) == ("dist", (), "")
    assert plugin.seconds >= 0


def test_init_gets_its_configuration_and_its_paths(host: Host) -> None:
    context = host.run("t.one", lambda ic: ic, config={"a": 1}).instance
    assert (context.uri, context.config) == ("t.one", {"a": 1})
    assert (context.root, context.state) == (Path("/root-dir/t.one"), Path("/state-dir/t.one"))
    assert context.properties == {
        PROPERTY_ROOT_DIR: "/root-dir/t.one",
        PROPERTY_STATE_DIR: "/state-dir/t.one",
        PROPERTY_GRPC_ADDRESS: "/sock",
    }


def test_a_kept_context_sees_plugins_that_came_later(host: Host) -> None:
    context = host.run("t.one", lambda ic: ic).instance
    host.run("t.two", works)
    host.run("u.three", works)
    assert [plugin.uri for plugin in context.get_all()] == ["t.one", "t.two", "u.three"]
    assert context.get_single("u") == context.get_by_id("u", "three") == "instance"
    assert context.get_by_type("u") == {"three": "instance"}


def test_a_skip_is_recorded_with_its_reason(host: Host) -> None:
    plugin = host.run("t.one", skips)
    assert (plugin.status, str(plugin.error), plugin.instance) == (Status.SKIPPED, "not on this kernel", None)
    assert plugin.problem == "skipped: not on this kernel"


def test_a_failure_keeps_its_traceback(host: Host) -> None:
    plugin = host.run("t.one", fails)
    assert (plugin.status, plugin.problem) == (Status.FAILED, "OSError: disk is full")
    assert plugin.error is not None
    assert traceback.extract_tb(plugin.error.__traceback__)[-1].name == "fails"


def test_a_failed_init_releases_its_objects(host: Host) -> None:
    class Held:
        pass

    alive: list[weakref.ref[Held]] = []

    def init(_: InitContext[Any]) -> object:
        held = Held()
        alive.append(weakref.ref(held))
        raise OSError

    assert host.run("t.one", init).status is Status.FAILED
    gc.collect()
    assert alive[0]() is None


def test_a_plugin_cannot_end_the_process(host: Host) -> None:
    plugin = host.run("t.one", lambda _: sys.exit(3))
    assert (plugin.status, plugin.problem) == (Status.FAILED, "SystemExit: 3")


def test_an_interrupt_is_not_a_failure_of_the_plugin(host: Host) -> None:
    def init(_: InitContext[Any]) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        host.run("t.one", init)


def test_meta_is_kept_when_init_fails(host: Host) -> None:
    def init(ic: InitContext[Any]) -> object:
        ic.meta.platforms.append("linux/amd64")
        ic.meta.exports = {"root": "/r"}
        ic.meta.capabilities.append("rebase")
        raise OSError

    meta = host.run("t.one", init).meta
    assert meta == Meta(["linux/amd64"], {"root": "/r"}, ["rebase"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("exports", {"a": 1}, "meta.exports must be a dict of UTF-8 strings, not {'a': 1}"),
        ("platforms", "linux", "meta.platforms must be a list of UTF-8 strings, not 'linux'"),
        ("capabilities", [None], "meta.capabilities must be a list of UTF-8 strings, not [None]"),
        ("capabilities", ["\udcff"], "meta.capabilities must be a list of UTF-8 strings, not ['\\udcff']"),
        ("exports", {"\udcff": ""}, "meta.exports must be a dict of UTF-8 strings, not {'\\udcff': ''}"),
        ("exports", {"certificates": 70_000 * "x"}, "meta has more than 65,536 characters"),
    ],
)
def test_a_meta_that_cannot_be_listed_is_a_failure(host: Host, name: str, value: object, message: str) -> None:
    def init(ic: InitContext[Any]) -> object:
        setattr(ic.meta, name, value)
        return "instance"

    plugin = host.run("t.one", init)
    assert (plugin.status, plugin.problem, plugin.meta) == (Status.FAILED, message, Meta())
    assert plugin.instance == "instance", "kept, so that it is closed"


@pytest.mark.parametrize(
    ("plugin_type", "instance", "message"),
    [
        ("t", None, "init returned None: it must return the plugin's instance"),
        (PluginType.SERVER, object, "init returned the class object: it must return an instance"),
        (PluginType.SERVER, "x", "init returned the wrong type: str lacks start, close"),
    ],
)
def test_an_instance_of_the_wrong_type_is_a_failure(
    host: Host, plugin_type: str, instance: object, message: str
) -> None:
    plugin = host.run(f"{plugin_type}.one", lambda _: instance)
    assert (plugin.status, plugin.problem) == (Status.FAILED, message)


def test_an_init_with_async_or_yield_is_a_failure(host: Host) -> None:
    async def asynchronous(_: InitContext[Any]) -> object:
        return "instance"

    def generator(_: InitContext[Any]) -> Iterator[object]:
        yield "instance"

    for init in (asynchronous, generator):
        plugin = host.run(f"t.{init.__name__}", init)
        assert plugin.status is Status.FAILED
        assert plugin.problem.endswith("it must be a function without async and yield")
        plugin.instance.close()


def test_an_instance_with_live_fields_must_have_reconfigure(host: Host) -> None:
    registration = Registration(type="t", id="one", config=Lamp, live=("level",), init=works)
    plugin = host.initialise(registration, config=Lamp())
    assert (plugin.status, plugin.problem) == (
        Status.FAILED,
        "init returned the wrong type: str lacks reconfigure",
    )


def test_a_required_type_without_provider_blocks(host: Host) -> None:
    plugin = host.run("t.one", works, "absent")
    assert (plugin.status, plugin.problem) == (Status.BLOCKED, "no plugin provides absent")
    assert isinstance(plugin.error, PluginBlocked)
    assert (plugin.instance, plugin.blocked_by) == (None, None)


def test_init_of_a_blocked_plugin_is_not_called(host: Host) -> None:
    called = []
    host.run("t.one", called.append, "absent")
    assert called == []


def test_requiring_everything_does_not_block(host: Host) -> None:
    host.run("t.one", fails)
    assert host.run("u.one", works, "*").status is Status.OK


def test_one_working_provider_is_enough(host: Host) -> None:
    host.run("t.one", fails)
    host.run("t.two", works)
    assert host.run("u.one", works, "t").status is Status.OK


def test_a_chain_of_blocked_plugins_names_the_root_cause_once(host: Host) -> None:
    first = host.run("a.one", fails)
    host.run("b.one", works, "a")
    last = host.run("c.one", works, "b")
    assert last.problem == "blocked by b.one <- a.one: OSError: disk is full"
    assert last.blocked_by is not None
    assert last.blocked_by.blocked_by is first
    assert last.error is not None
    assert last.error.__cause__ is last.blocked_by.error


def test_a_chain_of_blocks_ends_at_the_missing_type(host: Host) -> None:
    host.run("b.one", works, "absent")
    assert host.run("c.one", works, "b").problem == "blocked by b.one: no plugin provides absent"


def test_skipped_providers_block_with_their_reason(host: Host) -> None:
    host.run("a.one", skips)
    assert host.run("b.one", works, "a").problem == "blocked by a.one: skipped: not on this kernel"


def test_a_failed_provider_precedes_a_skipped_one_as_the_cause(host: Host) -> None:
    host.run("a.one", skips)
    host.run("a.two", fails)
    assert host.run("b.one", works, "a").problem == "blocked by a.two: OSError: disk is full"


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def test_an_exception_without_readable_text_is_shown_by_its_class(host: Host) -> None:
    def init(_: InitContext[Any]) -> object:
        raise Unreadable

    assert host.run("a.one", init).problem == "Unreadable: <Unreadable whose text cannot be read>"


def test_a_meta_without_a_representation_is_a_failure(host: Host) -> None:
    def init(ic: InitContext[Any]) -> object:
        ic.meta.capabilities.append(Unreadable())
        return "instance"

    assert host.run("a.one", init).status is Status.FAILED


@pytest.mark.parametrize(
    "look_up", [lambda ic: ic.get_single("a"), lambda ic: ic.get_by_type("a"), lambda ic: ic.get_by_id("a", "one")]
)
def test_a_look_up_of_a_failed_plugin_that_escapes_from_init_blocks(host: Host, look_up: Init) -> None:
    failed = host.run("a.one", fails)
    plugin = host.run("b.one", look_up)
    assert (plugin.status, plugin.problem) == (Status.BLOCKED, "blocked by a.one: OSError: disk is full")
    assert plugin.blocked_by is failed


def test_a_look_up_of_a_skipped_plugin_that_escapes_from_init_skips(host: Host) -> None:
    host.run("a.one", skips)
    plugin = host.run("b.one", lambda ic: ic.get_by_id("a", "one"))
    assert (plugin.status, plugin.problem) == (Status.SKIPPED, "skipped: not on this kernel")


def test_a_failed_look_up_of_a_missing_plugin_that_escapes_from_init_is_a_failure(host: Host) -> None:
    plugin = host.run("b.one", lambda ic: ic.get_single("a"))
    assert plugin.status is Status.FAILED
    assert isinstance(plugin.error, NoInstance)


def test_a_plugin_failed_error_of_its_own_is_not_a_block(host: Host) -> None:
    def init(_: InitContext[Any]) -> object:
        raise PluginFailed("my own words")

    host.run("a.one", fails)
    assert host.run("b.one", init).status is Status.FAILED


def test_readiness_registered_by_a_plugin_that_fails_is_recorded(host: Host) -> None:
    def init(ic: InitContext[Any]) -> object:
        ic.register_readiness()
        raise OSError

    assert host.run("t.one", init).registered_readiness
    assert not host.run("t.two", fails).registered_readiness
    assert host.readiness.pending() == ("t.one",)
