"""The harness that all tests share: prerequisites, and the check that nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from lamina.plugins.servers.grpc.plugin import engine_class
from tests.support import leftovers, prerequisites
from tests.support.interop import release_table
from tests.support.own_mounts import hide_mounts_from_others
from tests.support.rounds import SEED, USUAL_SEED, rounds
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from lamina.plugins.servers.grpc.engines.grpcio import GrpcioEngine
    from lamina.plugins.servers.grpc.engines.native import NativeEngine

pytest_plugins = ["lamina.testing.plugin"]

_TESTS = Path(__file__).parent
_OUTCOMES = ("passed", "failed", "error", "skipped")
_SLOW = {"faults": rounds(900, 0), "interop": rounds(1800, 0)}
"""Seconds for tests that repeat faults, or fetch packages and build images first; 0 for no limit."""
_PRIVILEGED = ("faults", "integration", "interop")


hypothesis.settings.register_profile(
    "lamina",
    deadline=None,  # a machine may be as busy as it likes
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,  # as above
        hypothesis.HealthCheck.function_scoped_fixture,  # examples may share a directory
    ],
    max_examples=rounds(40, 1000),
    derandomize=SEED == USUAL_SEED,
)
hypothesis.settings.load_profile("lamina")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-release-table", action="store_true", help="write what the run found into docs/containerd.md"
    )


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has background processes ignore it
    config.addinivalue_line(
        "markers",
        "requires(*names): what the machine must offer, else the test is skipped, or fails where "
        f"LAMINA_REQUIRE demands it; one of {', '.join(prerequisites.PREREQUISITES)}",
    )
    config.addinivalue_line(
        "markers", "capability(name): what the test shows of each containerd, in the table that ends the run"
    )
    try:
        prerequisites.demanded()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if not prerequisites.missing("root"):
        hide_mounts_from_others()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        seconds = _SLOW.get(_area(item.path))
        if seconds is not None and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(seconds))
        for name in _required(item):
            if name not in prerequisites.PREREQUISITES:
                known = ", ".join(prerequisites.PREREQUISITES)
                raise pytest.UsageError(f"{item.nodeid} requires {name!r}, which is none of {known}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in _required(item):
        if reason := prerequisites.missing(name):
            if name in prerequisites.demanded():
                pytest.fail(f"LAMINA_REQUIRE demands {name}: {reason}", pytrace=False)
            pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what tests told: the counts of the fault tests, and what works with which containerd."""
    found_reports = (report for outcome in _OUTCOMES for report in terminalreporter.stats.get(outcome, []))
    reports = [report for report in found_reports if isinstance(report, pytest.TestReport)]  # not of imports
    if found := list(release_table.outcomes(reports)):
        table = release_table.table(found)
        terminalreporter.write(f"\n{table}\n")
        if config.getoption("write_release_table"):
            release_table.write(table)
    for report in reports:
        for name, line in report.user_properties:
            if name == "counts":
                terminalreporter.write_line(f"{report.nodeid}: {line}")


def _area(path: Path) -> str:
    """The directory of `tests` that a file is in; "" for one elsewhere."""
    return path.relative_to(_TESTS).parts[0] if path.is_relative_to(_TESTS) else ""


def _required(item: pytest.Item) -> list[str]:
    return [name for mark in item.iter_markers("requires") for name in mark.args]


@pytest.fixture(params=["grpcio", "native"])
def make_engine(request: pytest.FixtureRequest) -> type[GrpcioEngine | NativeEngine]:
    """The class of a listener's engine: each test that asks for it is run with every one of them."""
    return engine_class(request.param)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function that adds a line to the summary of the run: what a test counted."""
    return lambda line: record_property("counts", line)


@pytest.fixture(autouse=True, scope="session")
def _no_temporary_files_stay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give a process of the run a directory for temporary files, and fail its last test if any is left there.

    Its path is as short as that of /tmp allows: sockets are below it. Other users can enter it.
    """
    tmp_path_factory.getbasetemp()  # stays where it is
    directory = tempfile.mkdtemp(prefix="lt-", dir="/tmp")
    os.chmod(directory, 0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", directory)
        patch.setattr(tempfile, "tempdir", directory)
        yield
    found = os.listdir(directory)
    shutil.rmtree(directory)
    if found:
        pytest.fail(f"temporary files left behind: {', '.join(found)}", pytrace=False)


@pytest.fixture(autouse=True)
def _random_choices_are_of_the_seed(request: pytest.FixtureRequest) -> None:
    random.seed(f"{SEED} {request.node.nodeid}")


@pytest.fixture(autouse=True)
def _no_threads_stay(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a unit test that leaves a thread running: it would run during the next ones, which count what is open.

    Set up before the test's own fixtures and torn down after them. Elsewhere tests share snapshotters, which start
    threads when they first need them.
    """
    if _area(request.path) != "unit":
        yield
        return
    before = set(threading.enumerate())
    yield
    found: set[threading.Thread] = set()

    def ended() -> bool:
        nonlocal found
        found = set(threading.enumerate()) - before
        return not found

    with contextlib.suppress(TimeoutError):
        wait_until(ended, 60.0, "every thread has ended")
    if found:
        pytest.fail(f"threads left behind: {', '.join(sorted(thread.name for thread in found))}", pytrace=False)


@pytest.fixture(autouse=True)
def _nothing_stays_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a mount, a loop device or a process, and remove it for the next one.

    Set up before the test's own fixtures and torn down after them. Those of fixtures with a wider scope may stay.
    """
    if _area(request.path) not in _PRIVILEGED:
        yield
        return
    before = leftovers.children()
    yield
    tmp_path: Path | None = request.node.funcargs.get("tmp_path")
    found = leftovers.remove_processes(tmp_path, before)
    if tmp_path:
        found += leftovers.remove_mounts(tmp_path)
        found += leftovers.remove_loop_devices(tmp_path)
    if found:
        pytest.fail("left behind: " + "; ".join(found), pytrace=False)
