"""`docs/architecture.md` and `docs/design.md` say what the code does."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tomli

from tests.support.directories import CHECKOUT

ARCHITECTURE = (CHECKOUT / "docs/architecture.md").read_text()
DESIGN = (CHECKOUT / "docs/design.md").read_text()
SOURCES = [CHECKOUT / root / "lamina" for root in ("core", "plugins", "config")]
THREADS = {"Thread", "Timer", "ThreadPoolExecutor", "ThreadingMixIn"}
"""Names that start threads when called or subclassed."""


def test_the_floors_are_those_of_the_linter() -> None:
    linter = tomli.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [one["layers"] for one in linter["contracts"] if one["type"] == "layers"]
    floors = [{package.strip().removeprefix("lamina.") for package in layer.split(":")} for layer in layers]
    (shown,) = re.findall(r"^```\n(cli.*?)^```$", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    assert [set(line.split(", ")) for line in shown.splitlines()] == floors


def test_every_package_has_a_line() -> None:
    packages = {f"lamina.{path.name}" for root in SOURCES for path in root.iterdir() if path.is_dir()}
    packages -= {"lamina.__pycache__", "lamina.plugins"}
    packages |= {f"lamina.plugins.{path.parent.name}" for path in SOURCES[1].glob("plugins/*/__init__.py")}
    described = set(re.findall(r"^\| `(lamina\.[\w.]+)` \|", ARCHITECTURE, re.MULTILINE))
    assert packages <= described
    assert [
        name for name in described if not any((root.parent / name.replace(".", "/")).is_dir() for root in SOURCES)
    ] == []


def test_every_thread_has_a_row() -> None:
    rows = re.findall(r"^\|[^|]*\| `(lamina\.[\w.]+)`", DESIGN.partition("## Threads")[2], re.MULTILINE)
    assert Counter(rows) == Counter(package for root in SOURCES for package in thread_starters(root, set(rows)))


def thread_starters(root: Path, packages: set[str]) -> Iterator[str]:
    """For each place in the code that starts threads, the package; the longest of those that the table names."""
    for file in root.rglob("*.py"):
        module = ".".join(file.relative_to(root.parent).with_suffix("").parts)
        if not module.startswith("lamina.testing"):
            named = [package for package in packages if module.startswith(f"{package}.")]
            for _ in filter(starts_threads, ast.walk(ast.parse(file.read_text()))):
                yield max(named, key=len, default=module)


def starts_threads(node: ast.AST) -> bool:
    used = [node.func] if isinstance(node, ast.Call) else node.bases if isinstance(node, ast.ClassDef) else []
    return any(getattr(name, "attr", getattr(name, "id", "")) in THREADS for name in used)
