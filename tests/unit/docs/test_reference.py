"""The API reference describes every public name."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs/reference"
REQUIRED = ("config", "fs", "host", "mount", "plugin", "snapshots", "testing")
"""The packages that programs and plugins import most; other packages may have a page, too."""
PACKAGES = sorted({*REQUIRED, *(page.stem for page in PAGES.glob("*.md"))})


@pytest.mark.parametrize("package", PACKAGES)
def test_a_public_package_has_a_page(package: str) -> None:
    assert f".. automodule:: lamina.{package}\n" in (PAGES / f"{package}.md").read_text()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_a_docstring(package: str) -> None:
    module = importlib.import_module(f"lamina.{package}")
    names = getattr(module, "__all__", ())
    assert [name for name in names if not described(getattr(module, name), module.__name__, name)] == []


def described(item: object, module: str, name: str) -> bool:
    """Whether a class or a function has a docstring, or a constant one below its assignment."""
    if inspect.isclass(item) or inspect.isroutine(item):
        return bool(item.__doc__)
    source = importlib.import_module(module)
    tree = ast.parse(inspect.getsource(source))
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if assigns(before, name):
            return isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return described(item, str(node.module), name)
    return False


def assigns(statement: ast.stmt, name: str) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)
