"""`discover`, with real installed distributions, each time in a fresh interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.plugins.distributions import GOOD, Site, source


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def test_discovery_imports_no_heavy_modules(site: Site) -> None:
    """Another daemon on the framework needs neither gRPC nor a database."""
    heavy = ("grpc", "lmdb", "click", "rich", "google.protobuf")
    out = site.python("-c", f"import lamina.plugin, sys; print([m for m in {heavy} if m in sys.modules])")
    assert out.strip() == "[]"


def test_installed_plugins_are_found_in_a_fixed_order(site: Site) -> None:
    """lamina's own first, then by normalised distribution name, then by entry-point name."""
    site.install("Zeta", {"z_b": source("plugin('zb')"), "z_a": source("plugin('za')")})
    site.install("b.Two", {"b_two": source("plugin('b2', id) for id in 'yx'")})
    site.install("b-one", {"b_one": source("plugin('b1')")})
    site.install("lamina", {"own": source("plugin('own')")})
    found = site.discover(disabled_distributions=[])
    assert list(found["registry"].items()) == [
        ("own.x", "lamina"),
        ("b1.x", "b-one"),
        ("b2.y", "b-two"),
        ("b2.x", "b-two"),
        ("za.x", "zeta"),
        ("zb.x", "zeta"),
    ]
    assert found["hooks"] == ["lamina:own", "b-one:b_one", "b-two:b_two", "zeta:z_a", "zeta:z_b"]
    assert found["failed"] == {}


def test_another_host_finds_the_plugins_of_its_own_group(site: Site) -> None:
    """Plugins of its own distribution come first; lamina's are ignored."""
    for name in ("a-third", "greeter"):
        module = name.replace("-", "_")
        site.install(name, {module: source(f"plugin('{module}')")}, f"[greeter.plugins]\nx = {module}\n")
    found = site.discover(group="greeter.plugins", disabled_distributions=[])
    assert list(found["registry"].items()) == [("greeter.x", "greeter"), ("a_third.x", "a-third")]
    assert not [name for name in found["imported"] if name.startswith("lamina.plugins")]


def test_only_the_entry_point_of_another_hosts_own_distribution_is_set_aside(site: Site) -> None:
    points = "[greeter.plugins]\none = greeter_one\ntwo = greeter_two\n"
    site.install("greeter", {"greeter_one": "import absent", "greeter_two": GOOD}, points)
    found = site.discover(group="greeter.plugins", disabled_distributions=[])
    assert list(found["registry"]) == ["good.x"]
    assert list(found["failed"]) == ["io.lamina.entry-point.v1.greeter:one"]


def test_a_hook_may_be_a_generator(site: Site) -> None:
    site.install("good", {"good": GOOD.replace("return [", "yield from [")})
    assert site.discover()["registry"] == {"good.x": "good"}


def test_an_entry_point_may_name_an_object(site: Site) -> None:
    text = GOOD.replace("@hookimpl\n", "class Plugins:\n  @staticmethod\n  @hookimpl\n").replace(
        "def lamina", "  def lamina"
    )
    site.install("good", {"good": text}, "[lamina.plugins]\none = good:Plugins\n")
    assert site.discover()["registry"] == {"good.x": "good"}


def test_a_disabled_distribution_is_not_imported(site: Site) -> None:
    site.install("Some_Thing.else", {"some_thing": GOOD})
    site.install("other", {"other": source("plugin('other')")})
    found = site.discover(disabled_distributions=["lamina", "some-thing_ELSE"])
    assert found["registry"] == {"other.x": "other"}
    assert "other" in found["imported"]
    assert "some_thing" not in found["imported"]
    assert found["not_imported"][-1] == "some-thing-else:some_thing"


def test_a_distribution_found_twice_is_loaded_once(site: Site, tmp_path: Path) -> None:
    """As with an editable install beside a regular one: the first on sys.path counts."""
    site.install("good", {"good": GOOD})
    again = Site(tmp_path / "again")
    again.install("Good", {"good_old": source("plugin('old')")})
    found = site.discover(again.path, site.path)
    assert (found["registry"], found["failed"]) == ({"good.x": "good"}, {})


def test_a_named_module_comes_last(site: Site) -> None:
    site.install("zeta", {"zeta": source("plugin('zeta')")})
    (site.path / "asked.py").write_text(GOOD)
    found = site.discover(modules=["asked"])
    assert list(found["registry"].items()) == [("zeta.x", "zeta"), ("good.x", "asked")]
    assert found["hooks"] == ["zeta:zeta", "asked"]


def test_a_named_and_installed_module_is_loaded_once(site: Site) -> None:
    site.install("good-dist", {"good": GOOD})
    found = site.discover(modules=["good", "good"])
    assert found["registry"] == {"good.x": "good-dist"}


def test_a_missing_named_module_is_an_error(site: Site) -> None:
    found = site.discover(modules=["no_such.module"])
    assert found == {
        "raised": "NotFound",
        "message": "plugin module 'no_such.module': no module named 'no_such'; "
        "is it installed, or its directory in PYTHONPATH?",
        "cause": "ModuleNotFoundError",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import does_not_exist",
            "plugin module 'asked': ModuleNotFoundError: No module named 'does_not_exist'",
        ),
        ("", "plugin module 'asked': asked: no function lamina_register marked @hookimpl"),
        (source("plugin('good')"), "plugin module 'asked': good.x: plugin: id already registered by good"),
    ],
)
def test_a_broken_named_module_is_an_error(site: Site, text: str, message: str) -> None:
    site.install("good", {"good": GOOD})
    (site.path / "asked.py").write_text(text)
    found = site.discover(modules=["asked"])
    assert (found["raised"], found["message"]) == ("InvalidArgument", message)


def test_a_named_module_that_closes_a_cycle_is_an_error(site: Site) -> None:
    site.install("good", {"good": source("plugin('good', requires=('asked',))")})
    (site.path / "asked.py").write_text(source("plugin('asked', requires=('good',))"))
    found = site.discover(modules=["asked"])
    assert (found["raised"], found["message"]) == (
        "PluginLoop",
        "circular plugin dependency: good.x -> asked.x -> good.x",
    )


def test_entry_points_can_be_given(site: Site) -> None:
    """For a program that embeds a host and wants these plugins and no others."""
    site.install("ignored", {"ignored": source("plugin('ignored')")})
    (site.path / "good.py").write_text(GOOD)
    script = (
        "from importlib.metadata import EntryPoint\n"
        "from lamina.plugin import discover\n"
        "found = discover(entry_points=[EntryPoint('one', 'good', 'lamina.plugins')])\n"
        "print([(one.uri, one.distribution) for one in found.registry])\n"
    )
    assert site.python("-c", script).strip() == "[('good.x', 'good')]"
