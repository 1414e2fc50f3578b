"""`lamina diagnose`: findings of third-party plugins, and the output."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from lamina.cli.diagnose import command
from lamina.cli.diagnose import findings as _findings
from lamina.plugin import Finding
from tests.support.commands import CommandFailed, run
from tests.support.processes.diagnoses import Diagnosis, diagnose
from tests.support.processes.hosts import LAMINA

SOURCE = """
import attrs
from lamina.plugin import Finding, Registration, hookimpl

@attrs.frozen
class Tape:
    reel: str = "blank"

def never(ic):
    raise AssertionError("diagnose initialises nothing")

def look(context):
    yield Finding.ok("reel", f"{context.config.reel} below {context.root}")
    if context.config.reel == "torn":
        yield Finding.problem("reel", "torn", "glue it")
    if context.config.reel == "odd":
        raise ValueError("what a reel")

@hookimpl
def lamina_register():
    return [Registration(type="x.tape.v1", id="tape", config=Tape, init=never, diagnose=look)]
"""


@pytest.fixture
def tape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Diagnosis]:
    """`lamina diagnose` of a host whose only plugin has that reel."""
    (tmp_path / "tape.py").write_text(SOURCE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def look(reel: str) -> Diagnosis:
        file = tmp_path / "config.toml"
        places = f'root = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n'
        plugin = f'disabled_distributions = ["lamina"]\n[plugins."x.tape.v1.tape"]\nreel = "{reel}"\n'
        file.write_text(f"version = 4\n{places}{plugin}")
        return diagnose("-c", file, "-p", "tape")

    return look


def test_a_third_party_plugin_is_diagnosed_with_its_configuration(
    tape: Callable[[str], Diagnosis], tmp_path: Path
) -> None:
    found = tape("blank")
    assert found.code == 0
    assert found.one("x.tape.v1.tape", "reel") == {
        "Area": "x.tape.v1.tape",
        "Check": "reel",
        "Status": "ok",
        "Found": f"blank below {tmp_path}/root/x.tape.v1.tape",
        "Remedy": "",
    }


def test_a_problem_of_a_plugin_fails_the_command(tape: Callable[[str], Diagnosis]) -> None:
    found = tape("torn")
    assert (found.code, found.problems()) == (1, ["reel"])
    assert found.of("x.tape.v1.tape", "reel")[1]["Remedy"] == "glue it"


def test_a_failing_check_does_not_prevent_others(tape: Callable[[str], Diagnosis], tmp_path: Path) -> None:
    found = tape("odd")
    failure = found.one("x.tape.v1.tape", "everything else")
    assert (found.code, failure["Status"]) == (0, "unknown")
    assert failure["Found"].startswith("its diagnose failed: ValueError: what a reel, at ")
    assert found.of("directories", "root")


def test_an_unreadable_configuration_does_not_prevent_checks_of_kernel_and_host(tmp_path: Path) -> None:
    found = diagnose("-c", tmp_path / "absent.toml", "--state", tmp_path)
    assert found.problems() == ["files"]
    assert found.one("host", "socket")["Found"].endswith(f"there is no {tmp_path}/lamina.sock")
    assert found.one("kernel", "version")["Found"].startswith(f"Linux {os.uname().release}")


def test_a_key_cannot_be_diagnosed_without_a_host(tmp_path: Path) -> None:
    arguments = ("--root", tmp_path / "root", "--state", tmp_path / "state")
    found = diagnose(*arguments, "web")
    assert found.one("snapshot web", "record")["Found"] == "the host does not answer"
    with pytest.raises(CommandFailed, match="exit code 1"):
        run(*LAMINA, "diagnose", *map(str, arguments), "web")


def test_on_a_terminal_wrapped_lines_are_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_findings, "terminal_width", lambda: 50)
    finding = Finding.problem(
        "d_type", "directory entries have no types, none at all", "mkfs.xfs -n ftype=1 /dev/sdb"
    )
    assert list(_findings.lines([_findings.ReportedFinding("overlayfs", finding)])) == [
        "overlayfs",
        "  problem  d_type: directory entries have no",
        "             types, none at all",
        "           remedy: mkfs.xfs -n ftype=1 /dev/sdb",
        "",
        "1 problem",
    ]


def test_help_explains_the_exit_codes() -> None:
    shown = CliRunner().invoke(command.diagnose, ["--help"]).output
    assert "Exits with 1 if there is a problem" in re.sub(r"\s+", " ", shown)


def test_similar_findings_are_counted_after_the_first_ones() -> None:
    many = [
        _findings.ReportedFinding("overlayfs", Finding.problem("data", f"{number} is gone", ""))
        for number in range(13)
    ]
    shown = list(_findings.lines(many))
    assert shown[10:] == [
        "  problem  data: 9 is gone",
        "  problem  data: 3 more; --json shows all",
        "",
        "13 problem",
    ]
