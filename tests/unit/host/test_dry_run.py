"""`lamina plugins graph` and `why` predict the behaviour of a host with the same configuration.

Random distributions are installed in a directory on sys.path, and a real host is started.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.api import details_from_proto, error_from_proto, plugin_to_proto
from lamina.cli.plugins import graph, root_cause
from lamina.client import RemotePlugin
from lamina.config import Config, from_document
from lamina.errdefs import Error, NoInstance, PluginFailed, SkipPlugin
from lamina.host import Host, prepare
from lamina.plugin import ENTRY_POINT_TYPE, Plan, Plugin, PluginSet, Registration, Status
from lamina.plugin.lifecycle._init import predict

CONFIGURATIONS = 200
TYPES = ("one.v1", "two.v1", "three.v1", "four.v1", "five.v1", "io.containerd.server.v1")

SOURCE = """
from lamina.plugin import Registration, SkipPlugin, hookimpl

class Instance:
    def start(self): ...
    def close(self): ...

def works(ic):
    return Instance()

def skips(ic):
    raise SkipPlugin(f"{{ic.uri}} is not for here")

def fails(ic):
    raise ValueError(f"{{ic.uri}} broke")

@hookimpl
def lamina_register():
    return [
        {registrations}
    ]

{more}
"""


@attrs.frozen
class Package:
    """A distribution with one module."""

    name: str
    plugins: tuple[tuple[str, str, tuple[str, ...], str], ...]
    """Type, id, requires, and what init does."""
    broken: str
    """A line that keeps the module from being imported, or ""."""

    def install(self, site: Path) -> None:
        info = site / f"{self.name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {self.name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[lamina.plugins]\nmain = {self.name}\n")
        registrations = (
            f"Registration(type={type_!r}, id={id_!r}, requires={requires!r}, init={outcome}),"
            for type_, id_, requires, outcome in self.plugins
        )
        source = SOURCE.format(registrations="\n        ".join(registrations), more=self.broken)
        (site / f"{self.name}.py").write_text(source)


def random_package(chance: random.Random, name: str) -> Package:
    plugins = []
    for number in range(chance.randint(1, 4)):
        # Mostly lower types, so that not everything is a cycle.
        place = chance.randrange(len(TYPES))
        below = TYPES if chance.random() < 0.05 else TYPES[:place]
        requires = tuple(chance.sample(below, min(len(below), chance.choice((0, 1, 1, 2)))))
        if chance.random() < 0.1:
            requires += ("nobody.v1",)
        if chance.random() < 0.08:
            requires = ("*",) if chance.random() < 0.7 else (*requires, "*", "x.v1")
        id_ = chance.choice(("a", f"{name}{number}", f"{name}{number}", f"{name}{number}"))
        outcome = chance.choices(("works", "skips", "fails"), (6, 1, 2))[0]
        plugins.append((TYPES[place], id_, requires, outcome))
    broken = chance.choices(("", "import no_such_module", "1 // 0"), (12, 1, 1))[0]
    return Package(name, tuple(plugins), broken)


@attrs.frozen
class Case:
    """The plan of a random configuration predicts the outcome of a start."""

    config: Config
    outcomes: dict[str, str]
    """The effect of each plugin's init, by distribution and URI."""

    def known(self, registration: Registration[Any]) -> str:
        return self.outcomes[f"{registration.distribution} {registration.uri}"]


def random_case(seed: int, directory: Path) -> Case:
    chance = random.Random(seed)
    site = directory / "site"
    site.mkdir()
    packages = [random_package(chance, f"p{seed}x{number}") for number in range(chance.randint(1, 4))]
    for package in packages:
        package.install(site)
    uris = sorted({f"{type_}.{id_}" for package in packages for type_, id_, *_ in package.plugins})
    document = {
        "root": str(directory / "root"),
        "state": str(directory / "state"),
        "disabled_plugins": [uri for uri in uris if chance.random() < 0.12],
        "required_plugins": [uri for uri in (*uris, "one.v1.missing") if chance.random() < 0.04],
        "disabled_distributions": ["lamina", *(one.name for one in packages if chance.random() < 0.08)],
    }
    # Of two equal names in one distribution, neither comes to its init.
    outcomes = {f"{one.name} {plugin[0]}.{plugin[1]}": plugin[3] for one in packages for plugin in one.plugins}
    return Case(from_document(document), outcomes)


@pytest.fixture(params=range(CONFIGURATIONS))
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield random_case(request.param, tmp_path)
    for name in [name for name in sys.modules if name.startswith(f"p{request.param}x")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def start(config: Config) -> tuple[PluginSet, Error | None]:
    """Start and stop a host; return its plugin records, and the reason if it did not start."""
    host = Host(config)
    try:
        with host:
            pass
    except Error as error:
        return host.plugins, error
    return host.plugins, None


def told(plugin: Plugin) -> tuple[str, str, str]:
    return plugin.uri, str(plugin.status), plugin.problem


def test_the_graph_and_why_agree_with_the_started_host(case: Case) -> None:
    plan = prepare(case.config).plan
    plugins, refusal = start(case.config)
    check_graph(plan, plugins, refusal)
    check_why(plan, plugins)
    check_to_the_letter(case, plan, plugins, refusal)


def check_graph(plan: Plan, plugins: PluginSet, refusal: Error | None) -> None:
    """The graph has the host's plugins in the host's order, and is right about each."""
    dry_run = plan.dry_run()
    document = graph.document(graph.nodes(plan, dry_run), plan, dry_run)
    nodes = {node["URI"]: node for node in document["Plugins"]}
    order = [uri for uri, node in nodes.items() if node["Status"] != "disabled"]
    if dry_run.refusal is not None:
        assert refusal is not None
    if document["Refusal"] == "" and refusal is not None:
        assert isinstance(refusal, PluginFailed), "only an init can change what was foreseen"
    if refusal is None:
        assert [plugin.uri for plugin in plugins] == order
    assert [plugin.uri for plugin in plugins] == order[: len(plugins)]
    for plugin in plugins:
        node = nodes[plugin.uri]
        if node["Status"] != "init":
            foreseen = (node["Status"], node["Distribution"])
            assert foreseen == (plugin.status, plugin.distribution)
            # The blocking plugin may be worse than predicted: then the chain continues from there.
            assert node["Reason"] == plugin.reason or plugin.status is Status.BLOCKED
        elif plugin.status is Status.BLOCKED:
            # Only inits that did not work can have changed what was foreseen.
            hoped = [
                [one.status for one in plugins.of_type(required) if nodes[one.uri]["Status"] == "init"]
                for required in plugin.requires
            ]
            assert any(statuses and Status.OK not in statuses for statuses in hoped)


def check_why(plan: Plan, plugins: PluginSet) -> None:
    """`why` answers of every plugin, from the configuration and from the host, and both have the same chain."""
    dry_run = plan.dry_run()
    theirs = [their_view(plugin) for plugin in plugins]
    for uri in plan.known():
        foreseen = root_cause.from_plan(plan, dry_run, uri)
        happened = root_cause.from_host(theirs, uri)
        if foreseen.chain[0].status == "disabled":
            assert happened is None
            continue
        record = next((plugin for plugin in plugins if plugin.uri == uri), None)
        if record is None:  # the host gave up before it came to this one
            assert happened is None
            continue
        assert happened is not None
        # A disabled faulty plugin is not among the host's plugins: then the text of the last link names it.
        listed = [(plugin.uri, str(plugin.status)) for plugin in chain_of(record) if plugin in set(plugins)]
        assert [(link.uri, link.status) for link in happened.chain] == listed
        root = list(chain_of(record))[-1]
        assert root in set(plugins) or root.reason in happened.chain[-1].reason
        if foreseen.chain[0].status == "failed":
            assert foreseen.chain == happened.chain


def chain_of(plugin: Plugin | None) -> Iterator[Plugin]:
    while plugin is not None:
        yield plugin
        plugin = plugin.blocked_by


def their_view(plugin: Plugin) -> RemotePlugin:
    """Return a plugin as in the introspection service."""
    message = plugin_to_proto(plugin)
    return RemotePlugin(
        message.type,
        message.id,
        requires=tuple(message.requires),
        init_error=error_from_proto(message.init_err) if message.HasField("init_err") else None,
        details=details_from_proto(message),
    )


def check_to_the_letter(case: Case, plan: Plan, plugins: PluginSet, refusal: Error | None) -> None:
    """Given the effect of each init, every record and the refusal are predicted literally."""
    foreseen = PluginSet()
    expected: Error | None = None
    try:
        plan.check_presence()
        for plugin in plan.carry_out(foreseen, lambda registration: record(case, registration, foreseen)):
            plan.check(plugin)
        with contextlib.suppress(NoInstance):
            plan.check_servers(foreseen)
    except Error as error:
        expected = error
    assert [told(plugin) for plugin in foreseen] == [told(plugin) for plugin in plugins]
    assert (type(expected), str(expected)) == (type(refusal), str(refusal))


def record(case: Case, registration: Registration[Any], before: PluginSet) -> Plugin:
    """The record of a plugin, from what is decided before its init and what its init is known to do."""
    decided = predict(registration, before)
    if decided.status is not Status.OK:
        return decided
    match case.known(registration):
        case "skips":
            error = SkipPlugin(f"{registration.uri} is not for here")
            return attrs.evolve(decided, status=Status.SKIPPED, error=error)
        case "fails":
            broken = ValueError(f"{registration.uri} broke")
            return attrs.evolve(decided, status=Status.FAILED, error=broken)
    return decided


def test_the_random_configurations_cover_all_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the test above would show little."""
    seen: dict[str, int] = {}
    for seed in range(0, CONFIGURATIONS, 2):
        directory = tmp_path / str(seed)
        directory.mkdir()
        with monkeypatch.context() as patch:
            patch.syspath_prepend(directory / "site")
            plan = prepare(random_case(seed, directory).config).plan
        dry_run = plan.dry_run()
        marks = [
            *(str(plugin.status) for plugin in dry_run.plugins),
            *("circle" for plugin in plan.failed if plugin.problem.startswith("circular")),
            *("not imported" for _ in plan.discovery.not_imported),
            *("unloadable" for plugin in plan.failed if plugin.type == ENTRY_POINT_TYPE),
            *("disabled" for one in plan.registry if one.uri in plan.disabled),
            *("refused" for _ in [dry_run.refusal] if _ is not None),
            *("everything" for one in plan.order if "*" in one.requires),
            *("chain" for plugin in dry_run.plugins if plugin.blocked_by and plugin.blocked_by.blocked_by),
        ]
        for mark in marks:
            seen[mark] = seen.get(mark, 0) + 1
    wanted = {
        "ok",
        "failed",
        "blocked",
        "circle",
        "not imported",
        "unloadable",
        "disabled",
        "refused",
        "everything",
    }
    assert {mark for mark in wanted if seen.get(mark, 0) >= 3} == wanted, seen
