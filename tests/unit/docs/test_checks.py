"""git's hook and the hosted workflow run the checks of the Makefile, and lines that suppress one say why."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def test_pre_commit_runs_what_make_lint_runs() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == commands


def test_the_hosted_workflow_runs_what_ci_run_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    commands = [step.get("run", "") for step in workflow["jobs"]["all"]["steps"]]
    script = (ROOT / ".ci/run").read_text()
    assert [command for command in commands if command.startswith("make ")] == re.findall(
        r"^ *(make [a-z ]*\w)", script, re.MULTILINE
    )


def test_every_suppression_names_its_rules_and_a_reason() -> None:
    """Checks are suppressed only in a line that says why."""
    complete = re.compile(r"# (noqa: [A-Z]+\d+(, [A-Z]+\d+)* [-#]|type: ignore\[[a-z, -]+\] +#) *\S")
    assert not [
        f"{file.relative_to(ROOT)}:{number}: {line}"
        for file in _modules("core", "plugins", "config", "tests", "examples")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.search(r" {2}# (noqa|type: ignore)\b", line) and not complete.search(line)
    ]


def test_tests_suppress_nothing_of_mypy_which_does_not_check_them() -> None:
    assert "tests" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    assert not [file for file in _modules("tests") if re.search(r" {2}# type: ignore\b", file.read_text())]


def _modules(*directories: str) -> list[Path]:
    found = [file for one in directories for file in (ROOT / one).rglob("*.py")]
    return [file for file in found if not file.match("*_pb2*.py")]
