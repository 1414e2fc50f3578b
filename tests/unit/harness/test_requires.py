"""The `requires` marker: a missing prerequisite skips a test, fails it, or is a mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.directories import CHECKOUT

ABSENT = """
from tests.support.prerequisites import PREREQUISITES

PREREQUISITES["absent"] = lambda: "nobody made it"
"""
PLUGINS = ("absent", "tests.conftest", "no:cacheprovider")


def run_pytest(directory: Path, requires: str, demanded: str = "") -> subprocess.CompletedProcess[str]:
    """Run one test that requires something, where `absent` is a prerequisite that is never there."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "absent.py").write_text(ABSENT)
    test = directory / "test_one.py"
    test.write_text(f"import pytest\n\n@pytest.mark.requires({requires!r})\ndef test_one():\n    pass\n")
    path = os.pathsep.join((str(directory), str(CHECKOUT)))
    variables = {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "LAMINA_REQUIRE": demanded}
    environment = {**os.environ, **variables}
    command = [sys.executable, "-m", "pytest", *(f"-p{name}" for name in PLUGINS), "-rsf"]
    return subprocess.run(
        [*command, test], cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def test_a_missing_prerequisite_skips_with_its_reason(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "absent")
    assert done.returncode == pytest.ExitCode.OK
    assert "1 skipped" in done.stdout
    assert "nobody made it" in done.stdout


@pytest.mark.parametrize("demanded", ["all", "absent", "root,absent"])
def test_a_missing_prerequisite_fails_if_required(tmp_path: Path, demanded: str) -> None:
    done = run_pytest(tmp_path, "absent", demanded)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "LAMINA_REQUIRE demands absent: nobody made it" in done.stdout


def test_requiring_another_prerequisite_still_skips(tmp_path: Path) -> None:
    assert "1 skipped" in run_pytest(tmp_path, "absent", "root").stdout


def test_an_unknown_prerequisite_is_an_error(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "overlai")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "requires 'overlai', which is none of" in done.stderr


def test_requiring_an_unknown_prerequisite_is_an_error(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "absent", "overlai")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "LAMINA_REQUIRE names overlai" in done.stderr
