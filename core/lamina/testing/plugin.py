"""The pytest plugin of `pytest -p lamina.testing.plugin`: the conformance suite and the fixture `lamina_host`."""

from __future__ import annotations

from typing import Final

import attrs
import pytest

from lamina.testing._checks.subject import Checks
from lamina.testing._factory import SnapshotterFactory
from lamina.testing._host import lamina_host

__all__ = ["lamina_host"]

_PROPERTY: Final = "conformance"
"""The property of a test report that names the snapshotter."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--snapshotter`."""
    parser.getgroup("lamina").addoption(
        "--snapshotter",
        metavar="NAME[,NAME]",
        default="",
        help="run the conformance checks of these snapshotters only",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin."""
    config.pluginmanager.register(_Conformance(_selected(config)), "lamina-conformance")


def _selected(config: pytest.Config) -> frozenset[str]:
    return frozenset(name.strip() for name in config.getoption("snapshotter").split(",") if name.strip())


@attrs.define
class _Count:
    """The results of one snapshotter."""

    checks: int = 0
    failed: int = 0
    skipped: int = 0

    def line(self) -> str:
        parts = [f"{self.checks} check{'' if self.checks == 1 else 's'}"]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        return ", ".join(parts)


@attrs.define(eq=False)
class _Conformance:
    """Parametrizes the checks with snapshotters and counts their results."""

    selected: frozenset[str]
    known: set[str] = attrs.field(factory=set)
    counts: dict[str, _Count] = attrs.field(factory=dict)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize each check with the selected snapshotters."""
        if not issubclass(metafunc.cls or object, Checks) or "snapshotter_factory" not in metafunc.fixturenames:
            return
        factories = metafunc.cls.factories
        self.known |= {factory.name for factory in factories}
        metafunc.parametrize(
            "snapshotter_factory",
            [
                pytest.param(factory, id=factory.name, marks=factory.marks)
                for factory in factories
                if not self.selected or factory.name in self.selected
            ],
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Reject unknown names, drop checks without a snapshotter, and record the snapshotter of the others."""
        if unknown := self.selected - self.known:
            known = ", ".join(sorted(self.known)) or "no snapshotters were collected"
            raise pytest.UsageError(f"--snapshotter {','.join(sorted(unknown))}: unknown; known: {known}")
        for item in list(items):
            factory = _factory_of(item)
            if isinstance(factory, SnapshotterFactory):
                item.user_properties.append((_PROPERTY, factory.name))
            elif factory is not None:  # pytest's NOTSET for an empty parameter set
                items.remove(item)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a result; with pytest-xdist, in the controller process."""
        name = dict(report.user_properties).get(_PROPERTY)
        if not isinstance(name, str):
            return
        count = self.counts.setdefault(name, _Count())
        if report.skipped:
            count.skipped += 1
        elif report.when == "call":
            count.checks += 1
        if report.failed:
            count.failed += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the counts."""
        for name, count in sorted(self.counts.items()):
            terminalreporter.write_line(f"conformance: {name}: {count.line()}")


def _factory_of(item: pytest.Item) -> object:
    """Return the factory of a check; None if the test is not a check."""
    is_check = isinstance(item, pytest.Function) and issubclass(item.cls or object, Checks)
    callspec = getattr(item, "callspec", None) if is_check else None
    return callspec and callspec.params.get("snapshotter_factory")
