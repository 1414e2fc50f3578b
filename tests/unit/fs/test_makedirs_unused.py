"""Directories are created by `SecureDirectory.open` and `open_path`, which verify their ancestors."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCES = Path(__file__).parents[3]


def test_no_module_uses_os_makedirs() -> None:
    """os.makedirs applies the mode only to the last directory, and does not check the owners of the others."""
    found = [
        f"{file.relative_to(SOURCES)}:{node.lineno}"
        for root in ("core", "plugins", "config")
        for file in (SOURCES / root).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Attribute) and node.attr == "makedirs"
    ]
    assert found == []
