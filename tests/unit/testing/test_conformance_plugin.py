"""The pytest plugin, used as by a third party in a separate pytest process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import contextlib, os
import pytest
from lamina.mount import Mount
from lamina.snapshots import Usage
from lamina.snapshots.local import Backend, LocalSnapshotter
from lamina.snapshots.storage import MetaStore
from lamina.testing import Conformance, SnapshotterFactory, Traits

class Plain(Backend):
    def create(self, record, path):
        os.mkdir(path)
    def mounts(self, record):
        return [Mount(type="bind", source=self.path(record.id), options=("rw", "rbind"))]
    def usage(self, record):
        return Usage()

@contextlib.contextmanager
def open_plain(directory):
    store = MetaStore.open(f"{directory}/metastore")
    snapshotter = LocalSnapshotter.open(Plain(f"{directory}/data"), store.snapshotter("plain"))
    yield snapshotter
    snapshotter.close()
    store.close()

class TestPlain(Conformance):
    factories = (
        SnapshotterFactory("one", open_plain),
        SnapshotterFactory("two", open_plain, Traits(reopens=False), marks=(pytest.mark.slow,)),
    )

class TestOther:
    def test_something_else(self):
        pass
"""
UNMOUNTED = "test_a_key_cannot_be_empty or test_removed_snapshots_do_not_come_back or test_something_else"
"""Two checks that mount nothing and need no root. The first has two cases, the second needs a trait."""


ENVIRONMENT = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""Load only the plugin under test, to start faster."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_conformance.py").write_text(MODULE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\naddopts = --strict-markers\n")
    return tmp_path


def run(project: Path, *arguments: str, plugin: bool = True) -> tuple[int, str]:
    loaded = ("-p", "lamina.testing.plugin") if plugin else ()
    command = [sys.executable, "-m", "pytest", *loaded, "-p", "no:cacheprovider", f"--basetemp={project}/tmp"]
    done = subprocess.run(
        [*command, *arguments], cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("conformance: ")]


def test_the_checks_run_for_each_snapshotter_and_are_counted(project: Path) -> None:
    status, output = run(project, "-k", UNMOUNTED)
    assert status == 0, output
    assert lines(output) == ["conformance: one: 3 checks", "conformance: two: 2 checks, 1 skipped"]
    assert "6 passed, 1 skipped" in output


def test_snapshotters_are_selected_by_name(project: Path) -> None:
    status, output = run(project, "-k", UNMOUNTED, "--snapshotter", "one")
    assert status == 0, output
    assert lines(output) == ["conformance: one: 3 checks"]
    assert "4 passed" in output
    assert "skipped" not in output


def test_an_unknown_name_is_an_error_with_the_known_names(project: Path) -> None:
    status, output = run(project, "--snapshotter", "one,three")
    assert status == 4
    assert "--snapshotter three: unknown; known: one, two" in output


def test_marks_of_a_snapshotter_apply_to_its_checks(project: Path) -> None:
    status, output = run(project, "-k", UNMOUNTED, "-m", "slow")
    assert status == 0, output
    assert lines(output) == ["conformance: two: 2 checks, 1 skipped"]


def test_failures_are_counted_and_explained(project: Path) -> None:
    broken = MODULE.replace("LocalSnapshotter.open(Plain", "Broken.open(Plain") + (
        "class Broken(LocalSnapshotter):\n    def walk(self, *filters):\n        return iter(['nonsense'])\n"
    )
    (project / "test_conformance.py").write_text(broken.replace("['nonsense']", "[self.stat('a')] * 2"))
    status, output = run(project, "-k", "test_a_name_cannot_be_empty", "--snapshotter", "one")
    assert status == 1
    assert lines(output) == ["conformance: one: 1 check, 1 failed"]
    assert "assert ['a', 'a'] == ['a']" in output


def test_workers_of_xdist_are_counted_together(project: Path) -> None:
    status, output = run(project, "-p", "xdist", "-n", "2", "-k", UNMOUNTED)
    assert status == 0, output
    assert lines(output) == ["conformance: one: 3 checks", "conformance: two: 2 checks, 1 skipped"]


def test_without_the_plugin_pytest_says_that_it_is_missing(project: Path) -> None:
    status, output = run(project, "-k", "test_a_name_cannot_be_empty", plugin=False)
    assert status == 1
    assert "run pytest with `-p lamina.testing.plugin`" in output
