"""`discover`, with real installed distributions, each time in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

SCRIPT = """
import json, sys
from lamina.plugin import discover

before = set(sys.modules)
try:
    found = discover(**json.loads(sys.argv[1]))
except Exception as error:
    cause = type(error.__cause__).__name__
    print(json.dumps({"raised": type(error).__name__, "message": str(error), "cause": cause}))
else:
    print(json.dumps({
        "registry": {one.uri: one.distribution for one in found.registry},
        "failed": {
            one.uri: [one.distribution, one.status, one.problem] for one in found.failed
        },
        "hooks": [name for name, _ in found.manager.list_name_plugin()],
        "not_imported": found.not_imported,
        "imported": sorted(set(sys.modules) - before),
    }))
"""


def source(*registrations: str, more: str = "") -> str:
    """A plugin module that registers what these expressions are."""
    return (
        "from lamina.plugin import Registration, hookimpl\n"
        "def plugin(type, id='x', requires=()):\n"
        "    return Registration(type=type, id=id, requires=requires, init=lambda ic: object())\n"
        "@hookimpl\n"
        "def lamina_register():\n"
        f"    return [{', '.join(registrations)}]\n"
        f"{more}\n"
    )


@attrs.define
class Site:
    """A directory of installed distributions, the first on sys.path."""

    path: Path

    def install(self, name: str, modules: Mapping[str, str], entry_points: str | None = None) -> None:
        """Install a distribution: each module, and an entry point of the module's name for it."""
        if entry_points is None:
            entry_points = "[lamina.plugins]\n" + "".join(f"{module} = {module}\n" for module in modules)
        info = self.path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        for module, text in modules.items():
            (self.path / f"{module}.py").write_text(text)

    def discover(self, *more_paths: Path, **arguments: Any) -> Any:
        """What `discover` finds, as JSON. The installed lamina is left alone: its plugins are not under test."""
        arguments = {"disabled_distributions": ["lamina"], **arguments}
        return json.loads(self.python("-c", SCRIPT, json.dumps(arguments), more_paths=more_paths))

    def python(self, *arguments: str, more_paths: tuple[Path, ...] = ()) -> str:
        path = os.pathsep.join(map(str, (self.path, *more_paths)))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


GOOD = source("plugin('good')")


def test_nothing_heavy_is_imported(site: Site) -> None:
    """Whoever builds another daemon on the framework needs neither gRPC nor a database."""
    heavy = ("grpc", "lmdb", "cattrs", "click", "rich", "google.protobuf")
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
    """Its own distribution's come first; lamina's are not looked at."""
    for name in ("a-third", "greeter"):
        module = name.replace("-", "_")
        site.install(name, {module: source(f"plugin('{module}')")}, f"[greeter.plugins]\nx = {module}\n")
    found = site.discover(group="greeter.plugins", disabled_distributions=[])
    assert list(found["registry"].items()) == [("greeter.x", "greeter"), ("a_third.x", "a-third")]
    assert not [name for name in found["imported"] if name.startswith("lamina.plugins")]


def test_of_another_hosts_own_distribution_only_the_entry_point_is_set_aside(site: Site) -> None:
    points = "[greeter.plugins]\none = greeter_one\ntwo = greeter_two\n"
    site.install("greeter", {"greeter_one": "import absent", "greeter_two": GOOD}, points)
    found = site.discover(group="greeter.plugins", disabled_distributions=[])
    assert list(found["registry"]) == ["good.x"]
    assert list(found["failed"]) == ["io.lamina.entry-point.v1.greeter:one"]


def test_a_generator_will_do(site: Site) -> None:
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


def test_a_distribution_seen_twice_is_taken_once(site: Site, tmp_path: Path) -> None:
    """As where an editable install lies beside a regular one: what comes first on sys.path is meant."""
    site.install("good", {"good": GOOD})
    again = Site(tmp_path / "again")
    again.install("Good", {"good_old": source("plugin('old')")})
    found = site.discover(again.path, site.path)
    assert (found["registry"], found["failed"]) == ({"good.x": "good"}, {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import does_not_exist", "ModuleNotFoundError: No module named 'does_not_exist'"),
        ("import sys; sys.exit(7)", "SystemExit: 7"),
        ("1 // 0", "ZeroDivisionError: integer division or modulo by zero"),
        ("def", "SyntaxError: invalid syntax (bad.py, line 1)"),
        ("def lamina_register(): return []", "bad:bad: no function lamina_register marked @hookimpl"),
        (source("1 // 0"), "ZeroDivisionError: integer division or modulo by zero"),
        (
            source().replace("return []", "return None"),
            "bad:bad: lamina_register returned None: it must return a list of registrations",
        ),
        (source("'nonsense'"), "bad:bad: lamina_register gave 'nonsense': not a Registration"),
        (
            source().replace("@hookimpl", "@hookimpl(wrapper=True)").replace("return []", "yield"),
            "bad:bad: a hook of lamina cannot be wrapped",
        ),
        (source(more="@hookimpl\ndef lamina_ready(): ..."), "unknown hook 'lamina_ready'"),
        (source(more="@hookimpl\ndef lamina_failed(plugins): ..."), "Argument(s) {'plugins'}"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_a_failed_plugin(site: Site, text: str, problem: str) -> None:
    site.install("bad", {"bad": text})
    site.install("good", {"good": GOOD})
    found = site.discover()
    assert found["registry"] == {"good.x": "good"}
    assert found["hooks"] == ["good:good"]
    ((uri, record),) = found["failed"].items()
    assert (uri, record[:2]) == ("io.lamina.entry-point.v1.bad:bad", ["bad", "failed"])
    assert problem in record[2]


@pytest.mark.parametrize(
    ("registration", "uri", "problem"),
    [
        ("plugin('t', 'i', ('*', 'u'))", "t.i", "t.i: invalid requires: '*' stands alone"),
        ("plugin('t', 'i', ('t',))", "t.i", "t.i: invalid requires: a plugin cannot require its own type"),
        (
            "plugin('t', 'i', 'u')",
            "t.i",
            "t.i: plugin: requires must be a tuple of UTF-8 strings, not 'u'",
        ),
        ("plugin('t', '')", "io.lamina.entry-point.v1.bad:bad", "t.: plugin: no id"),
        (
            "plugin(5, 'i')",
            "io.lamina.entry-point.v1.bad:bad",
            "5.i: plugin: type must be a UTF-8 string, not 5",
        ),
    ],
)
def test_a_registration_that_breaks_a_rule_is_a_failed_plugin(
    site: Site, registration: str, uri: str, problem: str
) -> None:
    site.install("bad", {"bad": source(registration)})
    site.install("good", {"good": GOOD})
    found = site.discover()
    assert found["registry"] == {"good.x": "good"}
    assert found["failed"] == {uri: ["bad", "failed", problem]}


def test_a_distribution_is_set_aside_as_a_whole(site: Site) -> None:
    """Its other plugins are shown as blocked by the one that offends, and its hooks are gone."""
    site.install("bad", {"bad_a": source("plugin('a')"), "bad_b": source("plugin('b')", "plugin('c', '')")})
    found = site.discover()
    assert (found["registry"], found["hooks"]) == ({}, [])
    blocked = "blocked by io.lamina.entry-point.v1.bad:bad_b: c.: plugin: no id"
    assert found["failed"] == {
        "io.lamina.entry-point.v1.bad:bad_b": ["bad", "failed", "c.: plugin: no id"],
        "a.x": ["bad", "blocked", blocked],
        "b.x": ["bad", "blocked", blocked],
    }


def test_of_laminas_own_only_the_entry_point_is_set_aside(site: Site) -> None:
    """So that a plugin whose library is missing does not take the others with it."""
    site.install("lamina", {"own_a": "import does_not_exist", "own_b": source("plugin('own')")})
    found = site.discover(disabled_distributions=[])
    assert found["registry"] == {"own.x": "lamina"}
    assert list(found["failed"]) == ["io.lamina.entry-point.v1.lamina:own_a"]


def test_an_id_that_is_taken_is_refused_and_keeps_its_owner(site: Site) -> None:
    site.install("a-first", {"first": GOOD})
    site.install("b-second", {"second": source("plugin('second')", "plugin('good')")})
    found = site.discover()
    assert found["registry"] == {"good.x": "a-first"}
    refused = "good.x: plugin: id already registered"
    assert found["failed"] == {
        "io.lamina.entry-point.v1.b-second:second": ["b-second", "failed", refused],
        "second.x": ["b-second", "blocked", f"blocked by io.lamina.entry-point.v1.b-second:second: {refused}"],
    }


def test_what_was_withdrawn_leaves_its_name_to_others(site: Site) -> None:
    site.install("a-first", {"first": source("plugin('good')", "plugin('bad', '')")})
    site.install("b-second", {"second": GOOD})
    found = site.discover()
    assert found["registry"] == {"good.x": "b-second"}
    assert list(found["failed"]) == ["io.lamina.entry-point.v1.a-first:first"]


def test_a_circle_sets_aside_who_came_last(site: Site) -> None:
    site.install("a-first", {"first": source("plugin('a', requires=('b',))")})
    site.install("b-second", {"second": source("plugin('b', requires=('a',))", "plugin('c')")})
    found = site.discover()
    assert found["registry"] == {"a.x": "a-first"}
    assert found["hooks"] == ["a-first:first"]
    circle = "circular plugin dependency: a.x -> b.x -> a.x"
    assert found["failed"] == {
        "b.x": ["b-second", "failed", circle],
        "c.x": ["b-second", "blocked", f"blocked by b.x: {circle}"],
    }


def test_a_circle_is_never_blamed_on_laminas_own(site: Site) -> None:
    site.install("lamina", {"own": source("plugin('own', requires=('*',))", "plugin('free')")})
    site.install("greedy", {"greedy": source("plugin('greedy', requires=('*',))")})
    found = site.discover(disabled_distributions=[])
    assert list(found["registry"]) == ["own.x", "free.x"]
    assert list(found["failed"]) == ["greedy.x"]


def test_every_circle_is_broken(site: Site) -> None:
    for name in ("one", "two", "three"):
        site.install(name, {name: source(f"plugin('{name}', requires=('*',))")})
    found = site.discover()
    assert len(found["registry"]) == 1
    assert len(found["failed"]) == 2


def test_a_circle_among_laminas_own_is_an_error(site: Site) -> None:
    site.install("lamina", {"own": source("plugin('a', requires=('b',))", "plugin('b', requires=('a',))")})
    found = site.discover(disabled_distributions=[])
    assert (found["raised"], found["message"]) == (
        "PluginLoop",
        "circular plugin dependency: a.x -> b.x -> a.x",
    )


def test_a_circle_through_a_disabled_plugin_is_none(site: Site) -> None:
    site.install("a-first", {"first": source("plugin('a', requires=('b',))")})
    site.install("b-second", {"second": source("plugin('b', requires=('a',))")})
    found = site.discover(disabled_plugins=["a.x"])
    assert (list(found["registry"]), found["failed"]) == (["a.x", "b.x"], {})


def test_malformed_entry_points_are_their_distributions_failure(site: Site) -> None:
    site.install("bad", {}, "[lamina.plugins]\nthis is no entry point\n")
    site.install("good", {"good": GOOD})
    found = site.discover()
    assert found["registry"] == {"good.x": "good"}
    ((uri, record),) = found["failed"].items()
    assert uri == "io.lamina.entry-point.v1.bad:entry_points.txt"
    assert "entry_points.txt of bad is malformed" in record[2]


def test_a_damaged_distribution_that_has_no_plugins_harms_nobody(site: Site) -> None:
    site.install("good", {"good": GOOD})
    site.install("malformed", {}, "[console_scripts]\nthis is no entry point\n")
    damaged = site.path / "damaged-1.0.dist-info"
    damaged.mkdir()
    (damaged / "entry_points.txt").write_bytes(b"\xff\xfe\xff")
    nameless = site.path / "nameless-1.0.dist-info"
    nameless.mkdir()
    (nameless / "entry_points.txt").write_text("[lamina.plugins]\none = nameless\n")
    found = site.discover()
    assert (found["registry"], found["failed"]) == ({"good.x": "good"}, {})


def test_a_module_asked_for_by_name_comes_last(site: Site) -> None:
    site.install("zeta", {"zeta": source("plugin('zeta')")})
    (site.path / "asked.py").write_text(GOOD)
    found = site.discover(modules=["asked"])
    assert list(found["registry"].items()) == [("zeta.x", "zeta"), ("good.x", "asked")]
    assert found["hooks"] == ["zeta:zeta", "asked"]


def test_a_module_asked_for_by_name_and_installed_is_taken_once(site: Site) -> None:
    site.install("good-dist", {"good": GOOD})
    found = site.discover(modules=["good", "good"])
    assert found["registry"] == {"good.x": "good-dist"}


def test_a_module_asked_for_by_name_that_does_not_exist_is_an_error(site: Site) -> None:
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
        (source("plugin('good')"), "plugin module 'asked': good.x: plugin: id already registered"),
    ],
)
def test_a_module_asked_for_by_name_that_is_broken_is_an_error(site: Site, text: str, message: str) -> None:
    site.install("good", {"good": GOOD})
    (site.path / "asked.py").write_text(text)
    found = site.discover(modules=["asked"])
    assert (found["raised"], found["message"]) == ("InvalidArgument", message)


def test_a_module_asked_for_by_name_that_closes_a_circle_is_an_error(site: Site) -> None:
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
