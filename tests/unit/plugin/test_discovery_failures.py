"""`discover` sets broken distributions aside as a whole, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.plugins.distributions import GOOD, Site, source


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


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
            "bad:bad: lamina_register returned None: it must return a list of Registrations",
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
def test_an_invalid_registration_is_a_failed_plugin(site: Site, registration: str, uri: str, problem: str) -> None:
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


def test_only_the_failing_entry_point_of_lamina_itself_is_set_aside(site: Site) -> None:
    """A plugin with a missing library does not set the others aside."""
    site.install("lamina", {"own_a": "import does_not_exist", "own_b": source("plugin('own')")})
    found = site.discover(disabled_distributions=[])
    assert found["registry"] == {"own.x": "lamina"}
    assert list(found["failed"]) == ["io.lamina.entry-point.v1.lamina:own_a"]


def test_an_existing_id_is_refused_and_keeps_its_owner(site: Site) -> None:
    site.install("a-first", {"first": GOOD})
    site.install("b-second", {"second": source("plugin('second')", "plugin('good')")})
    found = site.discover()
    assert found["registry"] == {"good.x": "a-first"}
    refused = "good.x: plugin: id already registered by a-first"
    assert found["failed"] == {
        "io.lamina.entry-point.v1.b-second:second": ["b-second", "failed", refused],
        "second.x": ["b-second", "blocked", f"blocked by io.lamina.entry-point.v1.b-second:second: {refused}"],
    }


def test_plugins_set_aside_free_their_names(site: Site) -> None:
    site.install("a-first", {"first": source("plugin('good')", "plugin('bad', '')")})
    site.install("b-second", {"second": GOOD})
    found = site.discover()
    assert found["registry"] == {"good.x": "b-second"}
    assert list(found["failed"]) == ["io.lamina.entry-point.v1.a-first:first"]


def test_a_cycle_sets_the_last_distribution_aside(site: Site) -> None:
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


def test_a_cycle_is_never_attributed_to_lamina_itself(site: Site) -> None:
    site.install("lamina", {"own": source("plugin('own', requires=('*',))", "plugin('free')")})
    site.install("greedy", {"greedy": source("plugin('greedy', requires=('*',))")})
    found = site.discover(disabled_distributions=[])
    assert list(found["registry"]) == ["own.x", "free.x"]
    assert list(found["failed"]) == ["greedy.x"]


def test_every_cycle_is_broken(site: Site) -> None:
    for name in ("one", "two", "three"):
        site.install(name, {name: source(f"plugin('{name}', requires=('*',))")})
    found = site.discover()
    assert len(found["registry"]) == 1
    assert len(found["failed"]) == 2


def test_a_cycle_within_lamina_is_an_error(site: Site) -> None:
    site.install("lamina", {"own": source("plugin('a', requires=('b',))", "plugin('b', requires=('a',))")})
    found = site.discover(disabled_distributions=[])
    assert (found["raised"], found["message"]) == (
        "PluginLoop",
        "circular plugin dependency: a.x -> b.x -> a.x",
    )


def test_a_cycle_through_a_disabled_plugin_is_ignored(site: Site) -> None:
    site.install("a-first", {"first": source("plugin('a', requires=('b',))")})
    site.install("b-second", {"second": source("plugin('b', requires=('a',))")})
    found = site.discover(disabled_plugins=["a.x"])
    assert (list(found["registry"]), found["failed"]) == (["a.x", "b.x"], {})


def test_malformed_entry_points_fail_their_distribution(site: Site) -> None:
    site.install("bad", {}, "[lamina.plugins]\nthis is no entry point\n")
    site.install("good", {"good": GOOD})
    found = site.discover()
    assert found["registry"] == {"good.x": "good"}
    ((uri, record),) = found["failed"].items()
    assert uri == "io.lamina.entry-point.v1.bad:entry_points.txt"
    assert "entry_points.txt of bad is malformed" in record[2]


def test_an_entry_point_that_is_no_text_fails_its_distribution(site: Site) -> None:
    damaged = site.path / "damaged-1.0.dist-info"
    damaged.mkdir(parents=True)
    (damaged / "METADATA").write_text("Name: damaged\n")
    (damaged / "entry_points.txt").write_bytes(b"[lamina.plugins]\none = \xff\n")
    site.install("good", {"good": GOOD})
    found = site.discover()
    assert found["registry"] == {"good.x": "good"}
    assert list(found["failed"]) == ["io.lamina.entry-point.v1.damaged:one"]


def test_a_damaged_distribution_without_plugins_is_ignored(site: Site) -> None:
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
