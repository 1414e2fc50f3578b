"""Directories are made by `SecureDirectory.open` and `open_path`, which look whose those above are."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCES = Path(__file__).parents[3]


def test_nothing_makes_directories_whose_parents_get_the_mode_that_the_umask_leaves() -> None:
    """os.makedirs gives its mode to the last one alone, and does not look whose the others are."""
    found = [
        f"{file.relative_to(SOURCES)}:{node.lineno}"
        for root in ("core", "plugins", "config")
        for file in (SOURCES / root).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Attribute) and node.attr == "makedirs"
    ]
    assert found == []
