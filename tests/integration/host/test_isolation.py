"""A faulty third-party package fails alone.

pip installs real packages in a virtual environment, and one `lamina serve` loads all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.directories import short_directory
from tests.support.plugins.faulty_packages import PACKAGES, wheels
from tests.support.processes.hosts import Host
from tests.support.processes.installations import Environment

SECONDS = 15
"""Deadline of each init and each close: longer than those that do not hang can take on a busy machine."""
CONFIG = f"""
[timeouts]
"io.lamina.timeout.plugin.init" = "{SECONDS}s"
"io.lamina.timeout.plugin.close" = "{SECONDS}s"
"""


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def environment(directory: Path) -> Environment:
    """A virtual environment with all packages."""
    environment = Environment(directory / "venv")
    environment.install(wheels(directory))
    return environment


@pytest.fixture(scope="module")
def host(directory: Path, environment: Environment) -> Iterator[Host]:
    """`lamina serve` with the packages."""
    with Host(directory / "host", CONFIG, lamina=environment.command).running() as host:
        yield host


@pytest.fixture(scope="module")
def plugins(host: Host) -> list[dict[str, Any]]:
    """Return the output of `lamina plugins ls --json`."""
    return json.loads(host.lamina("plugins", "ls", "--json"))


@pytest.fixture
def broken(plugins: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Every plugin that does not work, by the distribution whose failure it is, and by URI."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for plugin in plugins:
        if plugin["Status"] in {"failed", "blocked"}:
            error = {**plugin["Error"], "Status": plugin["Status"]}
            found.setdefault(plugin["Distribution"], {})[f"{plugin['Type']}.{plugin['ID']}"] = error
    return found


Broken = dict[str, dict[str, dict[str, Any]]]


def the_failure(broken: Broken, distribution: str, uri: str, message: str, function: str) -> None:
    """The distribution has this one failure, raised in its own code."""
    ((found, error),) = broken[distribution].items()
    assert (found, error["Status"], error["Message"]) == (uri, "failed", message)
    location = error["Location"]
    module = distribution.replace("-", "_")
    assert (location["Distribution"], location["Module"], location["Function"]) == (distribution, module, function)
    assert Path(location["File"]).name == f"{module}.py"
    line = Path(location["File"]).read_text().splitlines()[location["Line"] - 1]
    assert line.strip(), "a line of the package's own code"


def test_a_package_that_cannot_be_imported_fails_where_it_imports(broken: Broken) -> None:
    the_failure(
        broken,
        "import-fails",
        "io.lamina.entry-point.v1.import-fails:main",
        "ModuleNotFoundError: No module named 'does_not_exist'",
        "<module>",
    )


def test_a_package_that_registers_nonsense_fails_with_what_it_gave(broken: Broken) -> None:
    the_failure(
        broken,
        "registers-nonsense",
        "io.lamina.entry-point.v1.registers-nonsense:main",
        "registers-nonsense:main: lamina_register gave 'nonsense': not a Registration",
        "lamina_register",
    )


def test_a_package_whose_init_raises_fails_with_the_error(broken: Broken) -> None:
    the_failure(broken, "init-raises", "raises.v1.x", "ValueError: cable cut", "init")


def test_a_hanging_init_is_left_behind_and_blocks_its_dependants(broken: Broken) -> None:
    hangs = broken["init-hangs"]
    assert list(hangs) == ["hangs.v1.x", "hangs.user.v1.x"]
    failed, blocked = hangs.values()
    message = f"init did not end within {SECONDS} s and was left behind"
    assert (failed["Status"], failed["Code"], failed["Message"]) == ("failed", "DeadlineExceeded", message)
    assert failed["Location"]["Function"] == "wait_for_ever", "where it hangs"
    assert (blocked["Status"], blocked["BlockedBy"]) == ("blocked", "hangs.v1.x")


def test_a_package_that_returns_the_wrong_type_is_told_what_it_lacks(broken: Broken) -> None:
    the_failure(
        broken,
        "wrong-type",
        "io.containerd.snapshotter.v1.number",
        "init returned the wrong type: int lacks stat, update, usage, mounts, prepare, view, commit, remove, walk",
        "init",
    )


def test_a_package_that_registers_an_existing_id(broken: Broken, plugins: list[dict[str, Any]]) -> None:
    the_failure(
        broken,
        "taken-id",
        "io.lamina.entry-point.v1.taken-id:main",
        "io.containerd.snapshotter.v1.native: plugin: id already registered by lamina",
        "lamina_register",
    )
    (native,) = [plugin for plugin in plugins if plugin["ID"] == "native"]
    assert (native["Distribution"], native["Status"]) == ("lamina", "ok")


def test_a_package_that_closes_a_cycle(broken: Broken) -> None:
    the_failure(
        broken,
        "circle",
        "io.containerd.snapshotter.v1.round",
        "circular plugin dependency: io.containerd.snapshotter.v1.round"
        " -> io.containerd.service.v1.snapshots-service -> io.containerd.snapshotter.v1.round",
        "lamina_register",
    )


def test_a_package_that_requires_everything_and_something_is_refused(broken: Broken) -> None:
    the_failure(
        broken,
        "star-among-others",
        "star.v1.x",
        "star.v1.x: invalid requires: '*' stands alone",
        "lamina_register",
    )


def test_a_package_that_requires_everything_from_a_type_that_others_require_fails(broken: Broken) -> None:
    ((uri, error),) = broken["star-required"].items()
    assert (uri, error["Status"]) == ("io.containerd.snapshotter.v1.star", "failed")
    path = error["Message"].removeprefix("circular plugin dependency: ").split(" -> ")
    assert path[0] == path[-1]
    assert uri in path


def test_a_package_that_requires_an_unknown_type_is_blocked(broken: Broken) -> None:
    ((uri, error),) = broken["lonely"].items()
    assert (uri, error["Status"], error["Message"]) == (
        "lonely.v1.x",
        "blocked",
        "no plugin provides nobody.v1",
    )


def test_all_other_packages_work(host: Host, broken: Broken, plugins: list[dict[str, Any]]) -> None:
    assert set(broken) == set(PACKAGES) - {"good", "close-hangs"}
    good = [plugin["Status"] for plugin in plugins if plugin["Distribution"] == "good"]
    assert good == ["ok", "ok"]
    listed = host.lamina("snapshots", "--snapshotter", "native", "ls")
    assert listed.splitlines()[0].split() == ["KEY", "PARENT", "KIND"]


def test_the_graph_predicts_every_failure_that_does_not_depend_on_an_init(host: Host, broken: Broken) -> None:
    graph = json.loads(host.lamina("plugins", "graph", "--json", "--config", str(host.file)))
    foreseen = {node["URI"] for node in graph["Plugins"] if node["Status"] != "init"}
    happened = {uri for errors in broken.values() for uri in errors}
    assert happened - foreseen == {
        "raises.v1.x",
        "hangs.v1.x",
        "hangs.user.v1.x",
        "io.containerd.snapshotter.v1.number",
    }
    assert foreseen <= happened


def test_why_names_the_line_of_the_root_cause(host: Host) -> None:
    said = host.lamina("plugins", "why", "hangs.user.v1.x").splitlines()
    assert said[:2] == [
        "hangs.user.v1.x: blocked: it requires hangs.v1",
        f"└─ hangs.v1.x: failed: init did not end within {SECONDS} s and was left behind",
    ]
    assert said[2].endswith(", in wait_for_ever (init-hangs)")


def test_a_hanging_close_is_left_behind_and_the_others_are_closed(
    directory: Path, environment: Environment
) -> None:
    without = 'disabled_plugins = ["hangs.v1.x", "hangs.user.v1.x"]\n'  # their deadline need not pass again
    host = Host(directory / "other", without + CONFIG, lamina=environment.command)
    with host.running():
        assert host.stop() == 0
    (failure,) = [line for line in host.stderr.splitlines() if 'msg="failed to close plugin"' in line]
    assert "type=stuck.v1" in failure
    assert f"close did not end within {SECONDS} s and was left behind" in failure
    assert "good is closed" in host.stdout
