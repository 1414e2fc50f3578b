"""`lamina config check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.processes.config_commands import LISTENER, OVERLAY, WRONG, complaints, printed, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_check_prints_one_line_for_a_valid_file(path: Path) -> None:
    path.write_text("version = 4\n")
    assert printed("config", "check", path) == f"{path}: valid\n"
    assert printed("config", "check", LAMINA_CONFIG=str(path)) == f"{path}: valid\n"
    assert json.loads(printed("config", "check", path, "--json")) == {"Problems": [], "Warnings": []}


def test_an_empty_name_of_a_file_is_shown() -> None:
    assert complaints("config", "check", "-c", "") == ["lamina: '': cannot be read: No such file or directory"]


def test_check_reports_all_problems_at_once(path: Path) -> None:
    path.write_text(WRONG)
    assert complaints("config", "check", path) == [
        f'lamina: {path}:2: rot: unknown key (did you mean "root"?)',
        f'lamina: {path}:4: plugins."{LISTENER}".uid: expected a whole number, found the string "me"',
        f'lamina: {path}:5: plugins."{LISTENER}".adress: unknown key (did you mean "address"?)',
    ]


def test_check_reports_each_part_of_a_problem(path: Path) -> None:
    path.write_text(WRONG)
    done = run("config", "check", path, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    problems = json.loads(done.stdout)["Problems"]
    assert [problem["Line"] for problem in problems] == [2, 4, 5]
    assert problems[1] == {
        "File": str(path),
        "Key": f'plugins."{LISTENER}".uid',
        "Line": 4,
        "Column": None,
        "Expected": "a whole number",
        "Found": 'the string "me"',
        "Nearest": None,
    }


def test_check_warns_of_unused_tables(path: Path) -> None:
    path.write_text('version = 4\n[plugins."io.x.v1.y"]\n')
    done = run("config", "check", path)
    assert (done.returncode, done.stdout) == (0, f"{path}: valid\n")
    unused = 'plugins."io.x.v1.y": not used: no such plugin is installed'
    assert done.stderr == f"lamina: warning: {path}:2: {unused}\n"
    assert json.loads(printed("config", "check", path, "--json"))["Warnings"] == [f"{path}:2: {unused}"]


def test_check_reports_a_missing_required_plugin(path: Path) -> None:
    path.write_text('version = 4\nrequired_plugins = ["io.containerd.snapshotter.v1.overlay"]\n')
    (line,) = complaints("config", "check", path)
    assert line.startswith(
        f"lamina: {path}:2: required_plugins[0]: required plugin io.containerd.snapshotter.v1.overlay "
    )


@pytest.mark.parametrize("address", ["tcp://localhost:1", "lamina.sock", f"/{'x' * 104}"])
def test_check_reports_an_address_that_is_no_path_of_a_socket(path: Path, address: str) -> None:
    path.write_text(f'version = 4\n[plugins."{LISTENER}"]\naddress = "{address}"\n')
    (line,) = complaints("config", "check", path)
    assert line.startswith(f"lamina: {path}:3: plugins.\"{LISTENER}\".address: '{address}': ")


ALIASES = 'plugins."io.containerd.grpc.v1.snapshots".aliases'


def test_check_reports_an_alias_of_an_unknown_snapshotter(path: Path) -> None:
    path.write_text(f'version = 4\n[{ALIASES}]\nlamina = "overlay"\nfast = "native"\n')
    found = 'plugin io.containerd.snapshotter.v1.overlay is not installed (did you mean "overlayfs"?)'
    assert complaints("config", "check", path) == [f"lamina: {path}:3: {ALIASES}.lamina: {found}"]
    done = run("config", "check", path, "--json")
    (problem,) = json.loads(done.stdout)["Problems"]
    assert (done.returncode, problem["Line"], problem["Nearest"]) == (1, 3, "overlayfs")


EVERY_KIND = f"""\
version = 4
temp = 5
required_plugins = ["x.a.v1.b", "x.a.v1.c"]
[{ALIASES}]
lamina = "overlay"
wrong = 5
near = "far"
[proxy_plugins.far]
type = "snapshot"
[plugins."x.a.v1.unused"]
[plugins."{LISTENER}"]
uid = "me"
"""
"""Mistakes of the top level, in tables and in a proxy's, missing plugins, and an unused table."""


def test_check_reports_problems_of_every_kind_at_once(path: Path) -> None:
    path.write_text(EVERY_KIND)
    unused, *problems = [line.removeprefix("lamina: ") for line in complaints("config", "check", path)]
    assert unused.startswith(f'warning: {path}:10: plugins."x.a.v1.unused": not used')
    assert [line.split(": ")[:2] for line in problems] == [
        [f"{path}:2", "temp"],
        [f"{path}:3", "required_plugins[0]"],
        [f"{path}:3", "required_plugins[1]"],
        [f"{path}:5", f"{ALIASES}.lamina"],
        [f"{path}:6", f"{ALIASES}.wrong"],
        [f"{path}:8", "proxy_plugins.far.address"],
        [f"{path}:12", f'plugins."{LISTENER}".uid'],
    ]
    document = json.loads(run("config", "check", path, "--json").stdout)
    assert (len(document["Problems"]), len(document["Warnings"])) == (len(problems), 1)


@pytest.mark.parametrize(
    "config",
    [
        'disabled_distributions = ["lamina"]\n',
        f'disabled_plugins = ["io.containerd.grpc.v1.snapshots"]\n[{ALIASES}]\nlamina = "overlay"\n',
        f'disabled_plugins = ["{OVERLAY}"]\n[{ALIASES}]\nlamina = "overlayfs"\n',
        f'[{ALIASES}]\nfar = "elsewhere"\n[proxy_plugins.elsewhere]\ntype = "snapshot"\naddress = "/s"\n',
    ],
)
def test_check_accepts_default_and_valid_aliases(path: Path, config: str) -> None:
    path.write_text(f"version = 4\n{config}")
    assert printed("config", "check", path) == f"{path}: valid\n"


def test_an_empty_reference_names_no_plugin(path: Path) -> None:
    path.write_text('version = 4\n[plugins."io.containerd.transfer.v1.local"]\nsnapshotter = ""\n')
    assert printed("config", "check", path) != ""
    path.write_text('version = 4\n[plugins."io.containerd.transfer.v1.local"]\nsnapshotter = "overlay"\n')
    (line,) = complaints("config", "check", path)
    assert line.endswith(
        'plugin io.containerd.snapshotter.v1.overlay is not installed (did you mean "overlayfs"?)'
    )


def test_check_reports_a_wrong_environment_variable_and_flag(path: Path) -> None:
    path.write_text("version = 4\n")
    level, state = complaints("config", "check", path, "--log-level", "loud", LAMINA_STATE="/x", LAMINA_ROOT="/x")
    assert state == "lamina: LAMINA_STATE: state: root and state must be different paths, both are /x"
    assert level.startswith("lamina: --log-level: debug.level: expected one of")


def test_check_explains_a_configuration_of_containerd(path: Path) -> None:
    path.write_text('version = 2\nroot = "/c"\noom_score = 1\n[grpc]\nuid = 5\n')
    assert (
        printed("config", "check", "--containerd", path, LAMINA_CONFIG="")
        == f"""\
{path} (version 2)

Means the same in lamina:
WHERE            KEY         VALUE    NOTE
config.toml:5    grpc.uid    5

Is specific to containerd: lamina needs a value of its own:
WHERE            KEY     VALUE    NOTE
config.toml:2    root    "/c"

Ignored:
WHERE            KEY          VALUE    NOTE
config.toml:3    oom_score    1        lamina has no such setting
"""
    )
    found = json.loads(printed("config", "check", "--containerd", path, "--json"))
    assert (found["Files"], found["Version"]) == ([str(path)], 2)
    assert found["Settings"][0] == {
        "Use": "is specific to containerd: lamina needs a value of its own",
        "File": str(path),
        "Line": 2,
        "Key": "root",
        "Value": "/c",
        "Note": "",
    }
