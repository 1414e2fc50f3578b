"""The conformance suite detects faults."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.conformance.faults import FAULTS, SOUND, Fault

SUITE = Path(__file__).with_name("faulty.py")

pytestmark = pytest.mark.requires("root", "overlay")


def check(name: str, fault: Fault) -> str:
    """Return the test id of a check on a snapshotter."""
    parameters = "-".join(filter(None, (name, fault.parameter)))
    return f"{fault.check}[{parameters}]"


def run(directory: Path, checks: list[str]) -> dict[str, str]:
    """Run checks in a separate pytest process; return the result of each: passed, failure, error or skipped."""
    report = directory / "report.xml"
    options = ("-p", "no:cacheprovider", "-p", "pytest_timeout", "-q", "--tb=line")
    places = (f"--junit-xml={report}", f"--basetemp={directory}/temporary")
    command = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        *places,
        *(f"{SUITE}::TestFaulty::{one}" for one in checks),
    ]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, env=environment, cwd=SUITE.parent, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = ET.parse(report).iter("testcase")  # noqa: S314 - written by pytest
    return {case.attrib["name"]: case[-1].tag.replace("properties", "passed") for case in cases}


def test_each_fault_is_detected_and_sound_snapshotters_pass(tmp_path: Path) -> None:
    sound = {check(good.name, fault): "passed" for fault in FAULTS for good in SOUND}
    faulty = {check(fault.name, fault): "failure" for fault in FAULTS}
    ended = run(tmp_path, [*sound, *faulty])
    assert ended == {**sound, **faulty}
