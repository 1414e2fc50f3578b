"""`Registration` and `Registry`: the rules, and the order."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import InvalidRegistration, PluginLoop
from lamina.plugin import InitContext, PluginType, Registration, Registry


@attrs.frozen
class Lamp:
    level: int = 0
    derived: int = attrs.field(default=0, init=False)


def init_nothing(_: InitContext[Any]) -> object:
    return object()


def registration(uri: str, *requires: str) -> Registration[Any]:
    plugin_type, _, plugin_id = uri.rpartition(".")
    return Registration(type=plugin_type, id=plugin_id, requires=requires, init=init_nothing)


def registry_of(*registrations: Registration[Any]) -> Registry:
    registry = Registry()
    for one in registrations:
        registry = registry.register(one)
    return registry


def uris(registrations: Collection[Registration[Any]]) -> list[str]:
    return [one.uri for one in registrations]


def test_register_does_not_change_the_old_registry() -> None:
    old = Registry()
    new = old.register(registration("a.1"))
    assert (len(old), uris(tuple(new))) == (0, ["a.1"])
    assert "a.1" in new
    assert new.get("a.1") is not None
    assert new.get("a.2") is None


def test_without_drops_one_distribution_and_keeps_the_order() -> None:
    def of(uri: str, distribution: str) -> Registration[Any]:
        return Registration(type=uri, id="x", init=init_nothing, distribution=distribution)

    registry = registry_of(of("a", "one"), of("b", "two"), of("c", "one"), of("d", "three"))
    assert uris(tuple(registry.without("one"))) == ["b.x", "d.x"]


def test_types_of_containerd_yield_its_uris() -> None:
    one = Registration(type=PluginType.SNAPSHOTTER, id="overlayfs", init=init_nothing)
    assert one.uri == "io.containerd.snapshotter.v1.overlayfs"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "", "id": ""}, ".: plugin: no type"),
        ({"id": "", "requires": ("t",)}, "t.: plugin: no id"),
        ({"requires": ("t",)}, "t.x: invalid requires: a plugin cannot require its own type"),
        ({"requires": ("a", "*")}, "t.x: invalid requires: '*' stands alone"),
        ({"requires": ("*", "*")}, "t.x: invalid requires: '*' stands alone"),
        ({"type": "*"}, "*.x: plugin: '*' is not a type"),
        ({"id": "../x"}, "t.../x: plugin: type and id name a directory: no '/' and no NUL"),
        (
            {"id": "x" * 254},
            f"t.{'x' * 254}: plugin: type and id name a directory: at most 255 bytes",
        ),
        ({"type": 5}, "5.x: plugin: type must be a UTF-8 string, not 5"),
        ({"id": None}, "t.None: plugin: id must be a UTF-8 string, not None"),
        ({"id": "\udcff"}, "t.\udcff: plugin: id must be a UTF-8 string, not '\\udcff'"),
        ({"requires": "abc"}, "t.x: plugin: requires must be a tuple of UTF-8 strings, not 'abc'"),
        ({"requires": (1,)}, "t.x: plugin: requires must be a tuple of UTF-8 strings, not (1,)"),
        ({"config": {}}, "t.x: plugin: config must be an attrs class or None, not {}"),
        ({"config": int}, "t.x: plugin: config must be an attrs class or None, not <class 'int'>"),
        ({"init": "init"}, "t.x: plugin: init must be a function, not 'init'"),
        ({"migrate": 1}, "t.x: plugin: migrate must be a function or None, not 1"),
        ({"live": "level"}, "t.x: plugin: live must be a tuple of UTF-8 strings, not 'level'"),
        ({"live": ("level",)}, "t.x: plugin: live names 'level', which is not a field of its config"),
        (
            {"config": Lamp, "live": ("level", "colour")},
            "t.x: plugin: live names 'colour', which is not a field of its config",
        ),
        (
            {"config": Lamp, "live": ("derived",)},
            "t.x: plugin: live names 'derived', which is not a field of its config",
        ),
        (
            {"config": Lamp, "references": {"colour": "x"}},
            "t.x: plugin: references names 'colour', which is not a field of its config",
        ),
        ({"references": ("level",)}, "t.x: plugin: references must be a dict of UTF-8 strings, not ('level',)"),
        ({"diagnose": 1}, "t.x: plugin: diagnose must be a function or None, not 1"),
    ],
)
def test_register_refuses_invalid_registrations(fields: dict[str, Any], message: str) -> None:
    fields = {"type": "t", "id": "x", "init": init_nothing, **fields}
    with pytest.raises(InvalidRegistration) as raised:
        Registry().register(Registration(**fields))
    assert str(raised.value) == message


def test_register_takes_live_fields_that_the_configuration_has() -> None:
    one = Registration(type="t", id="x", config=Lamp, live=("level",), init=init_nothing)
    assert one in tuple(registry_of(one))


def test_register_refuses_a_second_of_the_same_type_and_id() -> None:
    with pytest.raises(InvalidRegistration, match=r"^a\.1: plugin: id already registered$"):
        registry_of(registration("a.1"), registration("a.1", "b"))


def test_register_refuses_another_type_and_id_of_the_same_uri() -> None:
    """Directories and configuration tables are named after the URI."""
    twin = Registration(type="a", id="b.1", init=init_nothing)
    with pytest.raises(InvalidRegistration, match="already registered"):
        registry_of(registration("a.b.1"), twin)


def test_a_broken_field_is_named_before_a_duplicate() -> None:
    with pytest.raises(InvalidRegistration, match="invalid requires"):
        registry_of(registration("a.1"), registration("a.1", "a"))


def test_graph_puts_everything_before_a_plugin_that_requires_all() -> None:
    registry = registry_of(registration("service.introspection", "*"), registration("container.x"))
    assert uris(registry.graph()) == ["container.x", "service.introspection"]


def test_graph_follows_requires_as_declared() -> None:
    registry = registry_of(
        registration("metadata.bolt", "content", "snapshotter"),
        registration("snapshotter.overlayfs"),
        registration("content.content"),
    )
    assert uris(registry.graph()) == ["content.content", "snapshotter.overlayfs", "metadata.bolt"]


def test_the_graph_omits_disabled_plugins_without_reordering_others() -> None:
    registry = registry_of(registration("a.1", "c"), registration("b.1"), registration("c.1"))
    assert uris(registry.graph({"a.1"})) == ["b.1", "c.1"]
    assert uris(registry.graph({"c.1"})) == ["a.1", "b.1"]


def test_a_cycle_is_shown_as_a_path() -> None:
    registry = registry_of(
        registration("z.1", "a"), registration("a.1", "b"), registration("b.1", "c"), registration("c.1", "a")
    )
    with pytest.raises(PluginLoop) as raised:
        registry.graph()
    assert str(raised.value) == "circular plugin dependency: a.1 -> b.1 -> c.1 -> a.1"
    assert uris(registry.loop()) == ["a.1", "b.1", "c.1"]


def test_two_plugins_that_require_all_form_a_cycle() -> None:
    registry = registry_of(registration("a.1", "*"), registration("b.1", "*"))
    with pytest.raises(PluginLoop, match=r": a\.1 -> b\.1 -> a\.1$"):
        registry.graph()


def test_requiring_the_type_of_a_plugin_that_requires_all_forms_a_cycle() -> None:
    registry = registry_of(registration("a.1", "*"), registration("b.1", "a"))
    with pytest.raises(PluginLoop, match=r": a\.1 -> b\.1 -> a\.1$"):
        registry.graph()


def test_a_cycle_through_a_disabled_plugin_is_ignored() -> None:
    registry = registry_of(registration("a.1", "b"), registration("b.1", "a"))
    assert uris(registry.graph(["b.1"])) == ["a.1"]
    assert registry.loop(["b.1"]) == ()


def test_a_chain_may_exceed_the_recursion_limit() -> None:
    depth = 5000
    chain = [registration(f"t{i}.x", f"t{i + 1}") for i in range(depth)]
    assert uris(registry_of(*chain).graph()) == [f"t{i}.x" for i in reversed(range(depth))]


def naive_graph(registry: Registry, disabled: Collection[str]) -> list[str]:
    """The rules of the registry, word for word, with recursion. Raises PluginLoop with no message."""
    every = list(registry)
    handled = {one.uri for one in every if one.uri in disabled}
    order: list[str] = []

    def descend(one: Registration[Any], stack: tuple[str, ...]) -> None:
        for required in one.requires:
            for other in every:
                if required not in (other.type, "*") or other.uri == one.uri or other.uri in handled:
                    continue
                if other.uri in stack:
                    raise PluginLoop
                descend(other, (*stack, other.uri))
                handled.add(other.uri)
                order.append(other.uri)

    for one in every:
        if one.uri not in handled:
            descend(one, (one.uri,))
            handled.add(one.uri)
            order.append(one.uri)
    return order


TYPES = "abcdef"


@st.composite
def registries(draw: st.DrawFn, *, circles: bool) -> Registry:
    """Some registrations of some types. Without circles, a type requires only types later in the alphabet."""
    registry = Registry()
    for plugin_type, number in draw(
        st.lists(st.tuples(st.sampled_from(TYPES), st.integers(0, 3)), unique=True, max_size=12)
    ):
        allowed = [t for t in TYPES if t != plugin_type and (circles or t > plugin_type)]
        some = st.lists(st.sampled_from(allowed), max_size=3).map(tuple) if allowed else st.just(())
        requires = draw(st.one_of(some, st.just(("*",))) if circles else some)
        registry = registry.register(registration(f"{plugin_type}.{number}", *requires))
    if not circles and draw(st.booleans()):
        registry = registry.register(registration("everything.1", "*"))
    return registry


DISABLED = st.sets(st.tuples(st.sampled_from(TYPES), st.integers(0, 3)).map(lambda p: f"{p[0]}.{p[1]}"))


@given(registries(circles=True), DISABLED)
def test_graph_equals_the_plain_implementation(registry: Registry, disabled: set[str]) -> None:
    try:
        expected = naive_graph(registry, disabled)
    except PluginLoop:
        with pytest.raises(PluginLoop, match=" -> "):
            registry.graph(disabled)
    else:
        assert uris(registry.graph(disabled)) == expected
        assert registry.loop(disabled) == ()


@given(registries(circles=True), DISABLED)
def test_a_reported_cycle_consists_of_enabled_plugins(registry: Registry, disabled: set[str]) -> None:
    loop = registry.loop(disabled)
    for one, following in zip(loop, (*loop[1:], *loop[:1]), strict=True):
        assert following.type in one.requires or one.requires == ("*",)
        assert one.uri not in disabled
    assert len(set(uris(loop))) == len(loop) != 1


@given(registries(circles=False), DISABLED)
def test_graph_is_topological_and_complete(registry: Registry, disabled: set[str]) -> None:
    order = registry.graph(disabled)
    assert sorted(uris(order)) == sorted(uri for uri in uris(tuple(registry)) if uri not in disabled)
    for position, one in enumerate(order):
        after = order[position + 1 :]
        assert not any(later.type in one.requires or one.requires == ("*",) for later in after)


@given(registries(circles=False))
def test_graph_is_stable(registry: Registry) -> None:
    """Registered in the order of the graph, the graph is that order."""
    order = registry.graph()
    assert registry_of(*order).graph() == order


@given(registries(circles=False), st.data())
def test_graph_without_requires_keeps_the_order_of_registration(registry: Registry, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations([registration(one.uri) for one in registry]))
    assert uris(registry_of(*shuffled).graph()) == uris(shuffled)
