"""The reported location of a failure."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.plugin import InitContext, Location, Plugin, PluginSet, Readiness, Registration, initialise

Init = Callable[[InitContext[Any]], object]


def run(init: Init, module: str = __name__) -> Location | None:
    """The location of the failure of an init that this distribution registered in a module."""
    registration = Registration(type="t", id="x", init=init, distribution="own", module=module)
    return start(registration).location


def start(registration: Registration[Any]) -> Plugin:
    return initialise(
        registration,
        config=None,
        root=Path("/root-dir"),
        state=Path("/state-dir"),
        plugins=PluginSet(),
        readiness=Readiness(),
    )


def line_of(function: Callable[..., object], text: str) -> int:
    """The number of the line of a function that has some text."""
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


def deep(ic: InitContext[Any]) -> object:
    return deeper()


def deeper() -> object:
    raise ValueError


def parses(ic: InitContext[Any]) -> object:
    return json.loads("{")


def returns_nothing(ic: InitContext[Any]) -> object:
    return None


def test_it_is_the_deepest_line_of_the_distributions_own_code() -> None:
    found = Location(__file__, line_of(deeper, "raise"), "deeper", __name__, "own")
    assert run(deep) == found
    assert str(found) == f"{__file__}:{found.line}, in deeper (own)"


def test_it_is_the_line_that_called_the_foreign_code_which_raised() -> None:
    assert run(parses) == Location(__file__, line_of(parses, "loads"), "parses", __name__, "own")


def test_without_a_line_of_the_distribution_it_is_the_deepest() -> None:
    location = run(lambda ic: json.loads("{"), module="elsewhere")
    assert location is not None
    assert (location.module, location.distribution) == ("json.decoder", "")
    assert str(location) == f"{location.file}:{location.line}, in {location.function}"


def test_an_instance_that_is_refused_leads_to_the_init_that_returned_it() -> None:
    assert run(returns_nothing) == Location(
        __file__, line_of(returns_nothing, "def "), "returns_nothing", __name__, "own"
    )


def test_an_init_behind_a_partial_is_found() -> None:
    location = run(functools.partial(lambda _, ic: None, 5), module="")
    assert location is not None
    assert (location.file, location.distribution) == (__file__, "own")


def test_errors_of_the_runtime_have_no_line() -> None:
    assert run(lambda ic: None, module="elsewhere") is not None
    assert run(int, module="elsewhere") is None  # written in C, and called with what it does not take


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory on sys.path, whose modules are forgotten again."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in {"closed_space", "shared_space"}]:
        del sys.modules[name]


def test_only_its_part_of_a_namespace_package_belongs_to_a_distribution(site: Path) -> None:
    (site / "shared_space" / "clock").mkdir(parents=True)
    (site / "shared_space" / "common.py").write_text("def fail():\n    raise ValueError\n")
    (site / "shared_space" / "clock" / "__init__.py").touch()
    (site / "shared_space" / "clock" / "hands.py").write_text("from shared_space.common import fail\n")
    (site / "shared_space" / "clock" / "plugin.py").write_text(
        "from shared_space.clock import hands\ndef init(ic):\n    hands.fail()\n"
    )
    module = importlib.import_module("shared_space.clock.plugin")
    location = run(module.init, module.__name__)
    assert location is not None
    assert (location.module, location.line, location.distribution) == ("shared_space.clock.plugin", 3, "own")


def test_all_modules_of_a_regular_package_belong_to_its_distribution(site: Path) -> None:
    (site / "closed_space").mkdir()
    (site / "closed_space" / "__init__.py").touch()
    (site / "closed_space" / "hands.py").write_text("def fail():\n    raise ValueError\n")
    (site / "closed_space" / "plugin.py").write_text(
        "from closed_space.hands import fail\ndef init(ic):\n    fail()\n"
    )
    module = importlib.import_module("closed_space.plugin")
    location = run(module.init, module.__name__)
    assert location is not None
    assert (location.module, location.line, location.distribution) == ("closed_space.hands", 2, "own")
