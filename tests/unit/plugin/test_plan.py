"""`Plan`: decisions before any plugin runs."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.errdefs import InvalidRegistration, NoInstance, PluginFailed
from lamina.plugin import (
    ENTRY_POINT_TYPE,
    Discovery,
    InitContext,
    Plan,
    Plugin,
    PluginSet,
    PluginType,
    Registration,
    Registry,
    Status,
    discover,
)


def never(ic: InitContext[Any]) -> object:
    raise AssertionError("nothing is to be initialised")


def one(uri: str, *requires: str) -> Registration[Any]:
    type_, _, id_ = uri.rpartition(".")
    return Registration(type=type_, id=id_, requires=requires, init=never, distribution="dist")


UNLOADABLE = Plugin(type=ENTRY_POINT_TYPE, id="bad:main", status=Status.FAILED, error=ImportError("no"))
UNLOADABLE_TOLD = "could not be loaded: bad:main: ImportError: no"


def found(*registrations: Registration[Any], failed: tuple[Plugin, ...] = ()) -> Discovery:
    registry = Registry()
    for registration in registrations:
        registry = registry.register(registration)
    return Discovery(registry, failed, discover(entry_points=()).manager)


def foreseen(plan: Plan) -> list[tuple[str, str, str]]:
    return [(plugin.uri, str(plugin.status), plugin.problem) for plugin in plan.dry_run().plugins]


def test_load_failures_come_first_then_all_plugins_in_order() -> None:
    plan = Plan(found(one("b.x", "a"), one("a.x"), failed=(UNLOADABLE,)), more=[one("c.x")])
    assert foreseen(plan) == [
        (f"{ENTRY_POINT_TYPE}.bad:main", "failed", "ImportError: no"),
        ("a.x", "ok", ""),
        ("b.x", "ok", ""),
        ("c.x", "ok", ""),
    ]


def test_disabled_plugins_are_left_out_and_block_their_dependants() -> None:
    withdrawn = Plugin(type="d", id="x", status=Status.FAILED, error=OSError())
    plan = Plan(found(one("b.x", "a"), one("a.x"), failed=(withdrawn,)), disabled=["a.x", "d.x"])
    assert foreseen(plan) == [("b.x", "blocked", "no plugin provides a")]


def test_a_chain_of_blocked_plugins_is_predicted() -> None:
    broken = Plugin(type="a", id="x", status=Status.FAILED, error=OSError("no"))
    plan = Plan(found(one("c.x", "b"), one("b.x", "a"), failed=(broken,)))
    assert foreseen(plan)[1:] == [
        ("b.x", "blocked", "blocked by a.x: OSError: no"),
        ("c.x", "blocked", "blocked by b.x <- a.x: OSError: no"),
    ]


def test_a_host_with_everything_that_it_requires_is_not_refused() -> None:
    assert Plan(found(one("a.x")), required=["a.x"]).dry_run().refusal is None


@pytest.mark.parametrize(
    ("required", "disabled", "kind", "message"),
    [
        ("b.x", (), PluginFailed, "load required plugin b.x: no plugin provides nobody"),
        ("a.x", ("a.x",), NoInstance, "required plugin a.x is disabled: it is also in disabled_plugins"),
        (
            "aa.x",
            (),
            NoInstance,
            f"required plugin aa.x is not installed (did you mean a.x?); {UNLOADABLE_TOLD}",
        ),
    ],
)
def test_the_refusal_of_a_host_is_predicted(
    required: str, disabled: tuple[str, ...], kind: type[Exception], message: str
) -> None:
    plan = Plan(
        found(one("a.x"), one("b.x", "nobody"), failed=(UNLOADABLE,)), required=[required], disabled=disabled
    )
    refusal = plan.dry_run().refusal
    assert (type(refusal), str(refusal)) == (kind, message)


def test_a_host_none_of_whose_servers_can_work_is_refused() -> None:
    plan = Plan(found(one(f"{PluginType.SERVER}.door", "nobody")))
    refusal = plan.dry_run().refusal
    assert str(refusal).startswith(f"no plugin of type {PluginType.SERVER} works: ")


def test_an_existing_name_is_refused() -> None:
    with pytest.raises(InvalidRegistration, match=r"a\.x: plugin: id already registered"):
        Plan(found(one("a.x")), more=[one("a.x")])


def test_the_providers_of_a_required_type_are_listed_whatever_their_status() -> None:
    broken = Plugin(type="a", id="broken", status=Status.FAILED, error=OSError())
    plan = Plan(found(one("a.off"), one("a.on"), failed=(broken,)), disabled=["a.off"])
    assert plan.providers(("a", "nobody", "*")) == {"a": ("a.on", "a.broken", "a.off"), "nobody": ()}


def test_each_plugin_is_reported_before_the_next_init() -> None:
    steps: list[str] = []
    plugins = PluginSet()

    def init(registration: Registration[Any]) -> Plugin:
        steps.append(f"init {registration.uri} after {len(plugins)}")
        return Plugin(type=registration.type, id=registration.id)

    told = Plan(found(one("b.x", "a"), one("a.x"))).carry_out(plugins, init)
    steps.extend(f"told of {plugin.uri}" for plugin in told)
    assert steps == ["init a.x after 0", "told of a.x", "init b.x after 1", "told of b.x"]


def test_a_plugin_set_aside_later_fails_alone() -> None:
    discovery = found(one("a.x"), one("b.x", "a"), one("c.x")).set_aside({"a.x": ValueError("bad table")})
    assert foreseen(Plan(discovery)) == [
        ("a.x", "failed", "ValueError: bad table"),
        ("b.x", "blocked", "blocked by a.x: ValueError: bad table"),
        ("c.x", "ok", ""),
    ]
