"""Imports find the code that was kept, whatever is on disk."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.lazy import code_was_replaced, keep_code


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of the package `made`, which is imported and has nothing in it."""
    directory = tmp_path / "made"
    write(directory / "__init__.py", "")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    importlib.import_module("made")
    yield directory
    for name in [name for name in sys.modules if f"{name}.".startswith("made.")]:
        del sys.modules[name]


def write(path: Path, source: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)


def value(module: str) -> object:
    """Import a module; returns its `value`."""
    return importlib.import_module(module).value


def test_a_module_that_was_replaced_is_the_old_one(package: Path) -> None:
    write(package / "part.py", "value = 'old'")
    assert keep_code({"made"}) == 1
    write(package / "part.py", "value = 'quite new'")
    assert value("made.part") == "old"


def test_a_module_that_was_removed_is_there(package: Path) -> None:
    write(package / "inner/__init__.py", "from made.inner.part import value")
    write(package / "inner/part.py", "value = 'old'")
    assert keep_code({"made"}) == 2
    for path in package.glob("inner/*.py"):
        path.unlink()
    assert value("made.inner") == "old"


def test_what_an_imported_package_has_not_imported_is_kept(package: Path) -> None:
    write(package / "inner/__init__.py", "value = 'old'")
    write(package / "inner/part.py", "value = 'old'")
    importlib.import_module("made.inner")
    assert keep_code({"made"}) == 1
    write(package / "inner/part.py", "value = 'quite new'")
    assert value("made.inner.part") == "old"


def test_nothing_is_imported(package: Path) -> None:
    write(package / "part.py", "raise AssertionError")
    before = set(sys.modules)
    assert keep_code({"made"}) == 1
    assert set(sys.modules) == before
    with pytest.raises(AssertionError):
        importlib.import_module("made.part")


def test_a_file_that_is_no_module_keeps_no_other_one_from_being_kept(package: Path) -> None:
    write(package / "a_template.py", "value = {{ value }} of")
    write(package / "part.py", "value = 'old'")
    assert keep_code({"made"}) == 1


def test_other_packages_and_modules_are_left_alone(package: Path) -> None:
    write(package.parent / "other/__init__.py", "")
    assert keep_code({"other", "absent", __name__}) == 0
    assert "other" not in sys.modules


def test_it_pauses_after_each_module(package: Path) -> None:
    for name in ("one", "two", "three"):
        write(package / f"{name}.py", "")
    pauses: list[None] = []
    keep_code({"made"}, lambda: pauses.append(None))
    assert len(pauses) == 3


def test_lamina_was_not_replaced() -> None:
    assert not code_was_replaced()
